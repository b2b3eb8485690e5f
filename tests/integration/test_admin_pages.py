"""What holds for all pages of an administrator."""

import uuid

import pytest

from csss.scans.states import Status
from tests.factories import SEEN, Clinic, reading
from tests.integration.administrator import url
from tests.integration.pages import fresh, one_root
from tests.visitor import Visitor, soup


def test_pages_and_fragments(admin: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    for address, root in (
        ("/admin/", "queue"),
        ("/admin/?show=released", "queue"),
        (url(scan_id), "approval"),
        ("/admin/users", "users"),
        ("/admin/mail", "mail"),
        ("/admin/audit", "audit"),
    ):
        part, whole = admin.fragment(address), admin.get(address)
        one_root(part, root)
        assert "HX-Request" in part.headers["Vary"] and "HX-Request" in whole.headers["Vary"]
        page = soup(whole)
        assert len(page.select(f"html #{root}")) == 1
        ids = [tag["id"] for tag in page.select("[id]")]
        assert len(ids) == len(set(ids)), address
    region = soup(admin.get(url(scan_id, "code-state")))  # never a whole page, so it varies with nothing
    assert [tag.get("id") for tag in region.find_all(recursive=False)] == ["code-state"]
    sent = admin.post(url(scan_id, "code"), htmx=True)
    assert sent.status_code == 200
    one_root(sent, "approval")
    for step, fields, status in (
        ("approve", SEEN | {"code": "1"}, 422),
        ("hold", {}, 422),
        ("lift", {}, 409),
    ):
        answer = admin.post(url(scan_id, step), fields, htmx=True)
        assert answer.status_code == status
        one_root(answer, "approval")
    held = admin.post(url(scan_id, "hold"), {"to": "doctor", "note": "x"}, htmx=True)
    assert held.status_code == 204 and held.headers["HX-Redirect"] == url(scan_id)


def test_a_region_that_asks_again_does_not_extend_the_session(admin: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED, result=reading("COVID", 0.9)).id
    admin.post(url(scan_id, "code"))
    region = admin.page(url(scan_id)).select_one("#code-state")
    assert region["hx-get"] == url(scan_id, "code-state") and "X-CSSS-Refresh" in region["hx-headers"]


def test_only_administrators_come_here(
    clinic: Clinic, patient: Visitor, doctor: Visitor, pharmacist: Visitor, nobody: Visitor, admin: Visitor
) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED, patient=patient.user).id
    pages = [
        "/admin/",
        "/admin/users",
        "/admin/mail",
        "/admin/audit",
        url(scan_id),
        url(scan_id, "preview.pdf"),
    ]
    for visitor in (patient, doctor, pharmacist):
        assert {visitor.get(address).status_code for address in pages} == {403}
        for step in ("code", "approve", "hold", "lift"):
            assert visitor.post(url(scan_id, step), {"code": "123456"}).status_code == 403
        assert visitor.post(f"/admin/users/{visitor.user_id}/deactivate").status_code == 403
    assert {nobody.get(address).status_code for address in pages} == {302}
    for step in ("", "preview.pdf", "code-state", "release-state"):
        assert admin.get(url(uuid.uuid4(), step)).status_code == 404
    for step in ("code", "approve", "hold", "lift"):
        fields = {"code": "123456", "to": "doctor", "note": "x"}
        assert admin.post(url(uuid.uuid4(), step), fields).status_code == 404
    assert fresh(scan_id).status is Status.PHARMACIST_COMPLETED


@pytest.mark.parametrize(
    ("address", "entry", "kind"),
    [
        ("/admin/users", "Accounts", "page"),
        ("/admin/erasing", "Accounts", "true"),
        ("/admin/jobs", "Mail", "true"),
        ("/assistant", "Help", "page"),
    ],
)
def test_the_navigation_says_which_part_a_page_belongs_to(
    admin: Visitor, address: str, entry: str, kind: str
) -> None:
    marked = soup(admin.get(address)).select(".main-nav [aria-current]")
    assert [(link.get_text(strip=True), link["aria-current"]) for link in marked] == [(entry, kind)]


def test_a_scan_belongs_to_the_approvals_and_an_account_to_the_accounts(
    admin: Visitor, clinic: Clinic
) -> None:
    for address, entry in ((url(clinic.scan()), "Approvals"), (f"/admin/users/{admin.user_id}", "Accounts")):
        marked = soup(admin.get(address)).select(".main-nav [aria-current]")
        assert [link.get_text(strip=True) for link in marked] == [entry], address


def test_an_address_breaks_at_its_signs_and_hides_no_markup(admin: Visitor, clinic: Clinic) -> None:
    person = clinic.person("doctor", email="o'hara.long@hospital.example")
    page = admin.get(f"/admin/users/{person.id}")
    assert "o&#39;hara<wbr>.long<wbr>@hospital<wbr>.example" in page.text
    assert "o'hara.long@hospital.example" in soup(page).get_text()
