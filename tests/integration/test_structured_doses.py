"""A dose is typed in one line or in parts: number, unit, how often, only as needed. Both say the same everywhere."""

import pytest

from csss.prescriptions import services as prescriptions
from csss.reports.build import report_context
from csss.reports.document import report_html
from csss.scans.states import Status
from tests.factories import Clinic
from tests.integration.pages import fresh
from tests.integration.pharmacist import AMOXICILLIN, hold, url, value
from tests.visitor import Visitor, soup, words

PARTS = {**AMOXICILLIN, "dose": "500", "dose_unit": "mg", "frequency": "every 8 hours", "as_needed": "1"}


@pytest.mark.both_databases
def test_parts_are_kept_and_read_as_one_dose(pharmacist: Visitor, admin: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    assert pharmacist.post(url(scan_id, "complete"), PARTS).status_code == 303
    (written,) = prescriptions.versions(fresh(scan_id))
    (item,) = written.items
    assert (item.dose, item.dose_unit, item.frequency, item.as_needed) == (
        "500 mg",
        "mg",
        "every 8 hours, as needed",
        True,
    )
    told = words(admin.get(f"/admin/scans/{scan_id}"))
    assert "500 mg" in told and "every 8 hours, as needed" in told
    context = report_context(fresh(scan_id), report_id="1", version=1, draft=True)
    assert "every 8 hours, as needed" in report_html(context, pharmacist.app.jinja_env)
    hold(clinic, scan_id)
    page = soup(pharmacist.get(url(scan_id)))
    assert value(page, "dose-0") == "500" and value(page, "frequency-0") == "every 8 hours"
    assert page.select_one("#dose_unit-0 [selected]")["value"] == "mg"
    assert page.select_one("#as_needed-0 [selected]")["value"] == "1"


def test_as_needed_needs_no_frequency_and_warnings_see_the_whole_dose(
    pharmacist: Visitor, clinic: Clinic
) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    parts = {**PARTS, "frequency": "", "dose": "5", "dose_unit": "g"}
    refused = pharmacist.post(url(scan_id, "complete"), parts)
    assert refused.status_code == 422 and "a single dose is 5 g" in words(refused).replace("\xa0", " ")
    assert value(soup(refused), "dose-0") == "5"
    assert pharmacist.post(url(scan_id, "complete"), {**parts, "dose": "1"}).status_code == 303
    (item,) = prescriptions.versions(fresh(scan_id))[0].items
    assert item.frequency == "as needed"


@pytest.mark.parametrize(
    ("parts", "field", "sentence"),
    [
        ({"dose": "500 mg", "dose_unit": "g"}, "dose_unit-0", "The dose has a unit already"),
        ({"dose": "500", "dose_unit": "bananas"}, "dose_unit-0", "Choose a unit of the list."),
        ({"dose": "500", "as_needed": "perhaps"}, "as_needed-0", "Choose when it is taken."),
        ({"dose": "-500", "dose_unit": "mg"}, "dose-0", "A dose must be more than zero."),
        ({"dose": "", "dose_unit": "mg"}, "dose-0", "Enter the dose."),
        ({"dose": "500²", "dose_unit": "mg"}, "dose-0", "plain digits"),
    ],
)
def test_parts_that_do_not_fit_are_told_beside_the_field(
    pharmacist: Visitor, clinic: Clinic, parts: dict[str, str], field: str, sentence: str
) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    refused = pharmacist.post(url(scan_id, "complete"), {**AMOXICILLIN, **parts})
    assert refused.status_code == 422
    assert sentence in soup(refused).select_one(f"#{field}-error").get_text()
    assert fresh(scan_id).status is Status.DOCTOR_VERIFIED


def test_a_template_keeps_the_parts(pharmacist: Visitor, clinic: Clinic) -> None:
    template = {**PARTS, "name": "Sore throat", "owner": "me"}
    assert pharmacist.post("/pharmacist/templates/new", template).status_code == 303
    page = pharmacist.page("/pharmacist/templates")
    assert "Amoxicillin, 500 mg, every 8 hours, as needed" in page.get_text()
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    chosen = next(
        each["value"]
        for each in pharmacist.page(url(scan_id)).select("#template option")
        if "Sore" in each.text
    )
    filled = soup(pharmacist.post(url(scan_id, "complete"), {"template": str(chosen), "use_template": "1"}))
    assert value(filled, "dose-0") == "500"
    assert filled.select_one("#dose_unit-0 [selected]")["value"] == "mg"
