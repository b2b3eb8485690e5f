"""Templates of prescriptions, and the medicines that complete what is typed."""

import uuid

import pytest
from bs4 import BeautifulSoup

from csss.scans.states import Status
from tests.factories import Clinic
from tests.integration.pages import fresh
from tests.integration.pharmacist import AMOXICILLIN, allergic, url, value
from tests.visitor import Visitor, soup, words


def template_of(page: BeautifulSoup, name: str) -> str:
    return next(option["value"] for option in page.select("#template option") if name in option.get_text())


def test_a_template_fills_in_lines_and_notes_and_signs_nothing(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = allergic(clinic, "Penicillin")
    chosen = template_of(pharmacist.page(url(scan_id)), "Pneumonia, treated at home")
    answer = pharmacist.post(
        url(scan_id, "complete"),
        {
            "drug": ["Paracetamol", ""],
            "dose": "500 mg",
            "notes": "Rest.",
            "template": chosen,
            "use_template": "1",
        },
    )
    page = soup(answer)
    assert answer.status_code == 200
    assert [value(page, f"drug-{place}") for place in range(2)] == ["Paracetamol", "Amoxicillin"]
    assert value(page, "dose-0") == "500 mg" and value(page, "frequency-1") == "three times a day"
    assert page.select_one("#notes").get_text().strip().startswith("Rest.\nTake the antibiotic")
    assert "one of the penicillins" in page.select_one("#note-1").get_text()
    assert page.select_one("#drug-1").has_attr("autofocus")
    nothing = pharmacist.post(url(scan_id, "complete"), {"template": "", "use_template": "1"})
    gone = pharmacist.post(url(scan_id, "complete"), {"template": str(uuid.uuid4()), "use_template": "1"})
    assert nothing.status_code == gone.status_code == 200
    assert fresh(scan_id).status is Status.DOCTOR_VERIFIED


def test_templates_are_ones_own_or_the_hospitals(pharmacist: Visitor, clinic: Clinic) -> None:
    fields = {**AMOXICILLIN, "name": "My cough", "owner": "me", "notes": "Warm tea."}
    assert pharmacist.post("/pharmacist/templates/new", fields).status_code == 303
    mine = next(
        a["href"] for a in pharmacist.page("/pharmacist/templates").select("#templates a") if "My" in a.text
    )
    colleague = clinic.visitor(clinic.person("pharmacist"))
    assert colleague.get(mine).status_code == 404
    assert colleague.post(f"{mine}/remove").status_code == 404
    page = pharmacist.page(mine)
    assert (
        value(page, "drug-0") == "Amoxicillin" and page.select_one("#notes").get_text().strip() == "Warm tea."
    )
    assert pharmacist.post(mine, {**fields, "owner": "hospital", "dose": "1 g"}).status_code == 303
    assert value(colleague.page(mine), "dose-0") == "1 g"
    assert pharmacist.post(f"{mine}/remove").status_code == 303
    assert "My cough" not in words(pharmacist.get("/pharmacist/templates"))
    assert pharmacist.get(mine).status_code == 404


@pytest.mark.both_databases
def test_only_its_maker_changes_a_template_of_the_hospital(
    clinic: Clinic, pharmacist: Visitor, admin: Visitor
) -> None:
    fields = {**AMOXICILLIN, "name": "For all", "owner": "hospital"}
    assert pharmacist.post("/pharmacist/templates/new", fields).status_code == 303
    colleague = clinic.visitor(clinic.person("pharmacist"))

    def address(visitor: Visitor) -> str:
        links = visitor.page("/pharmacist/templates").select("#templates a")
        return str(next(a["href"] for a in links if "For all" in a.text))

    theirs = address(colleague)
    page = colleague.page(theirs)
    assert f"{pharmacist.user.name} has made this template" in page.get_text()
    assert not page.select(f"form[action='{theirs}'], form[action='{theirs}/remove']")
    assert page.select_one("form[action='/pharmacist/templates/new'] [value=me]").has_attr("checked")
    for answer in (
        colleague.post(theirs, {**fields, "dose": "9 g"}),
        colleague.post(theirs, {**fields, "owner": "me"}),
        colleague.post(f"{theirs}/remove"),
    ):
        assert answer.status_code == 409 and "Only the colleague who made" in words(answer)
    assert value(pharmacist.page(theirs), "dose-0") == AMOXICILLIN["dose"]
    assert pharmacist.post(theirs, {**fields, "dose": "1 g"}).status_code == 303
    # Nobody is left who answers for it: then any pharmacist may, and answers for it from then on.
    assert admin.post(f"/admin/users/{pharmacist.user_id}/deactivate").status_code == 303
    assert colleague.post(theirs, {**fields, "dose": "2 g"}).status_code == 303
    third = clinic.visitor(clinic.person("pharmacist"))
    assert value(third.page(theirs), "dose-0") == "2 g"
    assert third.post(f"{theirs}/remove").status_code == 409
    assert colleague.post(f"{theirs}/remove").status_code == 303


def test_a_template_that_came_with_the_system_belongs_to_whoever_changes_it_first(
    clinic: Clinic, pharmacist: Visitor
) -> None:
    links = pharmacist.page("/pharmacist/templates").select("#templates a")
    first = str(links[0]["href"])
    fields = {**AMOXICILLIN, "name": "Ours now", "owner": "hospital"}
    assert pharmacist.post(first, fields).status_code == 303
    colleague = clinic.visitor(clinic.person("pharmacist"))
    assert colleague.post(first, fields).status_code == 409
    assert colleague.post(f"{links[1]['href']}/remove").status_code == 303


def test_a_template_that_lacks_something_says_so_and_loses_nothing(pharmacist: Visitor) -> None:
    refused = pharmacist.post(
        "/pharmacist/templates/new", {"drug": "Paracetamol", "owner": "hospital", "notes": "Tea"}
    )
    assert refused.status_code == 422
    page = soup(refused)
    assert {tag["id"] for tag in page.select(".field__error")} == {
        "name-error",
        "dose-0-error",
        "frequency-0-error",
        "route-0-error",
    }
    assert value(page, "drug-0") == "Paracetamol" and page.select_one("[value=hospital]").has_attr("checked")
    added = soup(
        pharmacist.post("/pharmacist/templates/new", {"name": "X", "drug": "Paracetamol", "add_line": "1"})
    )
    assert len(added.select("[data-repeat-row]")) == 2 and value(added, "name") == "X"


def test_the_medicines_of_the_hospital_complete_what_is_typed(pharmacist: Visitor, clinic: Clinic) -> None:
    page = pharmacist.page(url(clinic.scan(Status.DOCTOR_VERIFIED)))
    assert page.select_one("#drug-0")["list"] == "formulary"
    names = [option["value"] for option in page.select("#formulary option")]
    assert "Amoxicillin" in names and len(names) >= 150
