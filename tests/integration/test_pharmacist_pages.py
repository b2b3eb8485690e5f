"""What holds for all pages of a pharmacist."""

import uuid

from csss.scans.states import Status
from tests.factories import Clinic
from tests.integration.pages import fresh, one_root
from tests.integration.pharmacist import AMOXICILLIN, hold, url
from tests.visitor import Visitor, soup


def test_pages_and_fragments(pharmacist: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    for address, root in (("/pharmacist/", "queue"), (url(scan_id), "prescription")):
        one_root(pharmacist.fragment(address), root)
        whole = pharmacist.get(address)
        assert "HX-Request" in whole.headers["Vary"]
        assert len(soup(whole).select(f"html #{root}")) == 1
    refused = pharmacist.post(url(scan_id, "complete"), {}, htmx=True)
    assert refused.status_code == 422
    one_root(refused, "prescription")
    done = pharmacist.post(url(scan_id, "complete"), AMOXICILLIN, htmx=True)
    assert done.status_code == 204 and done.headers["HX-Redirect"] == url(scan_id)
    late = pharmacist.post(url(scan_id, "complete"), AMOXICILLIN, htmx=True)
    assert late.status_code == 409
    one_root(late, "prescription")


def test_no_id_stands_twice_on_a_page(pharmacist: Visitor, clinic: Clinic) -> None:
    held = clinic.scan(Status.PHARMACIST_COMPLETED).id
    hold(clinic, held)
    for address in ("/pharmacist/", url(clinic.scan(Status.DOCTOR_VERIFIED)), url(held)):
        ids = [tag["id"] for tag in pharmacist.page(address).select("[id]")]
        assert len(ids) == len(set(ids)), address


def test_only_pharmacists_come_here(
    clinic: Clinic, patient: Visitor, doctor: Visitor, admin: Visitor, pharmacist: Visitor
) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED, patient=patient.user).id
    for visitor in (patient, doctor, admin):
        assert visitor.get("/pharmacist/").status_code == 403
        assert visitor.get(url(scan_id)).status_code == 403
        assert visitor.post(url(scan_id, "complete"), AMOXICILLIN).status_code == 403
    missing = uuid.uuid4()
    assert pharmacist.get(url(missing)).status_code == 404
    for step in ("complete", "correct"):
        assert pharmacist.post(url(missing, step), AMOXICILLIN).status_code == 404
    assert fresh(scan_id).status is Status.DOCTOR_VERIFIED
