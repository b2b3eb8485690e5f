"""An administrator approves a report with a code, when the others have done their part."""

import pyotp
import pytest
from flask import Flask

from csss.auth import authenticator_app, second_factor
from csss.database import transaction
from csss.reports import queries as reports
from csss.scans.states import Status
from tests.factories import SEEN, Clinic
from tests.integration.administrator import code_from_mail, url, wrong
from tests.integration.pages import fresh
from tests.visitor import Visitor, soup, words


@pytest.mark.both_databases
def test_approving_with_a_code_by_mail(admin: Visitor, clinic: Clinic, app: Flask) -> None:
    patient = clinic.person("patient")
    clinic.set_passphrase(patient)
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED, patient=patient, findings="<b>Clear</b> lungs.").id
    text = words(admin.get(url(scan_id)))
    assert text.index("Normal chest") < text.index("Amoxicillin") < text.index("<b>Clear</b> lungs.")

    answer = admin.post(url(scan_id, "code"))
    assert answer.status_code == 303
    assert "A code is on its way to" in words(admin.get(url(scan_id)))
    code = code_from_mail(clinic)
    assert "A code was sent to" in words(admin.get(url(scan_id, "code-state")))

    answer = admin.post(url(scan_id, "approve"), SEEN | {"code": code})
    assert answer.status_code == 303 and answer.headers["Location"] == url(scan_id)
    assert fresh(scan_id).status is Status.REPORT_READY
    assert reports.approval(fresh(scan_id)).second_factor == "email_code"
    page = admin.page(url(scan_id))
    assert "The report is released." in page.get_text()
    assert "The report is being made." in page.select_one("#release").get_text()
    assert page.select_one("#release")["hx-get"] == url(scan_id, "release-state")

    clinic.run_jobs()
    (version,) = reports.versions(fresh(scan_id))
    region = soup(admin.get(url(scan_id, "release-state"))).select_one("#release")
    assert version.sha256 in region.get_text() and "The mail server accepted it" in region.get_text()
    assert not region.has_attr("hx-get")
    assert region.select_one("a[href$='.pdf']")["href"] == f"/reports/{version.id}.pdf"


@pytest.mark.parametrize("settings", [{"otp_minutes": 3}], indirect=True)
def test_the_page_tells_how_long_a_code_really_lives(admin: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    admin.post(url(scan_id, "code"))
    assert words(admin.get(url(scan_id))).count("3 minutes") == 1  # said once, where the code is awaited


def test_a_wrong_code_is_told_beside_the_field_and_counts(admin: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    admin.post(url(scan_id, "code"))
    code = code_from_mail(clinic)
    for left in ("4 tries are", "3 tries are", "2 tries are", "1 try is"):
        answer = admin.post(url(scan_id, "approve"), SEEN | {"code": wrong(code)})
        assert answer.status_code == 422
        assert f"{left} left" in soup(answer).select_one("#code-error").get_text()
    assert admin.post(url(scan_id, "approve"), SEEN | {"code": wrong(code)}).status_code == 422
    answer = admin.post(url(scan_id, "approve"), SEEN | {"code": code})
    assert answer.status_code == 422 and "Too many wrong tries" in words(answer)
    assert fresh(scan_id).status is Status.PHARMACIST_COMPLETED
    assert "Enter the six-digit code" in words(admin.post(url(scan_id, "approve"), SEEN | {"code": ""}))


def test_a_code_is_for_one_scan_only(admin: Visitor, clinic: Clinic) -> None:
    first, second = (clinic.scan(Status.PHARMACIST_COMPLETED).id for _ in range(2))
    admin.post(url(first, "code"))
    code = code_from_mail(clinic)
    assert admin.post(url(second, "approve"), SEEN | {"code": code}).status_code == 422
    assert admin.post(url(first, "approve"), SEEN | {"code": code}).status_code == 303


def test_app_and_recovery_code_work_without_mail(admin: Visitor, clinic: Clinic) -> None:
    secret = authenticator_app.new_totp_secret()
    with transaction():
        user = admin.user
        authenticator_app.confirm_totp(user, secret, pyotp.TOTP(secret).now())
        user.totp_last_step = None  # so that the test may use the current step again
        recovery = second_factor.new_recovery_codes(user)
    first, second = (clinic.scan(Status.PHARMACIST_COMPLETED).id for _ in range(2))
    assert admin.post(url(first, "approve"), SEEN | {"code": pyotp.TOTP(secret).now()}).status_code == 303
    assert admin.post(url(second, "approve"), SEEN | {"code": recovery[0].upper()}).status_code == 303
    assert reports.approval(fresh(first)).second_factor == "authenticator"
    assert reports.approval(fresh(second)).second_factor == "recovery_code"
    assert "with a recovery code" in words(admin.get(url(second)))


def test_only_so_many_codes_are_sent(admin: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    for _ in range(second_factor.RESENDS_PER_WINDOW):
        assert admin.post(url(scan_id, "code")).status_code == 303
    answer = admin.post(url(scan_id, "code"))
    assert answer.status_code == 429 and 0 < int(answer.headers["Retry-After"]) <= 15 * 60
    assert "codes were asked for" in soup(answer).select_one("#code-error").get_text()


def test_a_step_at_the_wrong_time_uses_up_no_code(admin: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    admin.post(url(scan_id, "code"))
    code = code_from_mail(clinic)
    admin.post(url(scan_id, "hold"), {"to": "doctor", "note": "Which side?"})
    for step, fields in (("approve", {"code": code}), ("approve", {"code": "x"}), ("code", {})):
        answer = admin.post(url(scan_id, step), fields)
        assert answer.status_code == 409
        assert "The scan is on hold" in words(answer) and "On hold for the doctor" in words(answer)
    assert admin.post(url(scan_id, "hold"), {"to": "nobody"}).status_code == 409
    assert admin.post(url(scan_id, "lift")).status_code == 303
    assert admin.post(url(scan_id, "lift")).status_code == 409
    assert admin.post(url(scan_id, "approve"), SEEN | {"code": code}).status_code == 303
    assert admin.post(url(scan_id, "approve"), SEEN | {"code": code}).status_code == 409


@pytest.mark.parametrize("status", [Status.PENDING_AI, Status.AI_ANALYZED, Status.DOCTOR_VERIFIED])
def test_nothing_is_approved_before_the_others_have_done_their_part(
    admin: Visitor, clinic: Clinic, status: Status
) -> None:
    scan_id = clinic.scan(status).id
    page = admin.page(url(scan_id))
    assert page.select_one("form[action$=approve]") is None and page.select_one("form[action$=code]") is None
    assert page.select_one("a[href$='preview.pdf']") is None
    for step in ("approve", "code", "lift"):
        assert admin.post(url(scan_id, step), {"code": "123456"}).status_code == 409
    assert admin.get(url(scan_id, "preview.pdf")).status_code == 409
    assert fresh(scan_id).status is status


def test_the_preview_is_a_watermarked_pdf_that_is_kept_nowhere(
    admin: Visitor, clinic: Clinic, app: Flask
) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    folder = app.config["CSSS"].storage_folder
    before = sorted(folder.rglob("*.*"))
    answer = admin.get(url(scan_id, "preview.pdf"))
    assert answer.status_code == 200 and answer.content_type == "application/pdf"
    assert answer.data.startswith(b"%PDF-") and answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Disposition"].startswith("inline")
    assert sorted(folder.rglob("*.*")) == before and reports.versions(fresh(scan_id)) == []
    clinic.approve(scan_id, clinic.person("admin"))
    assert admin.get(url(scan_id, "preview.pdf")).status_code == 409


def test_a_code_that_was_asked_for_elsewhere_approves_nothing_here(clinic: Clinic) -> None:
    user, scan_id = clinic.person("admin"), clinic.scan(Status.PHARMACIST_COMPLETED).id
    here, there = clinic.visitor(user), clinic.visitor(user)
    assert here.post(url(scan_id, "code")).status_code == 303
    code = code_from_mail(clinic)
    answer = there.post(url(scan_id, "approve"), SEEN | {"code": code})
    assert answer.status_code == 422 and "another device" in words(answer)
    assert here.post(url(scan_id, "approve"), SEEN | {"code": code}).status_code == 303
