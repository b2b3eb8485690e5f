"""What an administrator sees and does: approving with a code, holds, accounts, the mail log and the audit log."""

import re
import uuid
from collections.abc import Callable

import pyotp
import pytest
from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from csss.audit.models import AuditEvent
from csss.auth import authenticator_app, second_factor
from csss.clock import now
from csss.database import db, transaction
from csss.errors import StateConflict
from csss.notices.models import MailKind, MailMessage, MailState
from csss.notices.services import send_again
from csss.paths import TEMPLATES
from csss.people.models import AccountState, User
from csss.prescriptions import services as prescriptions
from csss.prescriptions.lines import Line
from csss.reports import queries as reports
from csss.scans import services
from csss.scans.models import Scan
from csss.scans.services import ReviewText
from csss.scans.states import Agreement, HoldFor, Priority, Status
from csss.web.admin.logs.audit_presenters import ACTION_WORDS
from csss.web.admin.logs.forms import ACTION_GROUPS
from tests.factories import PASSWORD, SEEN, Clinic, reading
from tests.visitor import Visitor, soup, words

MINE = {"current_password": PASSWORD}


def url(scan: Scan | uuid.UUID, step: str = "") -> str:
    scan_id = scan.id if isinstance(scan, Scan) else scan
    return f"/admin/scans/{scan_id}{'/' + step if step else ''}"


def fresh(scan_id: uuid.UUID) -> Scan:
    db.session.remove()
    return db.session.get_one(Scan, scan_id)


def one_root(answer: TestResponse, root: str) -> None:
    page = soup(answer)
    assert page.select_one("html") is None
    tags = [tag for tag in page.find_all(recursive=False) if tag.name != "hx-partial"]
    assert [tag.get("id") for tag in tags] == [root]


def listed(page: BeautifulSoup, region: str = "queue") -> list[str]:
    """The names in the list, without what else stands in their cells."""
    return [
        " ".join((cell.a or cell).get_text(" ").split()) for cell in page.select(f"#{region} tbody td.main")
    ]


def code_from_mail(clinic: Clinic) -> str:
    """The six digits that the newest mail carries."""
    clinic.run_jobs("send_mail")
    body = clinic.mail[-1].get_content()
    found = re.findall(r"(?<!\d)\d{6}(?!\d)", body)
    assert len(found) == 1, body
    return str(found[0])


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


# What waits, and what has been released


def test_answered_holds_come_first_then_what_can_be_approved(admin: Visitor, clinic: Clinic) -> None:
    def waiting(name: str) -> uuid.UUID:
        return clinic.scan(Status.PHARMACIST_COMPLETED, patient=clinic.person("patient", name=name)).id

    waiting("Asha Plain")
    asked, answered = waiting("Bina Asked"), waiting("Chitra Answered")
    urgent = waiting("Devi")
    early = clinic.scan(Status.DOCTOR_VERIFIED, patient=clinic.person("patient", name="Esha Early")).id
    clinic.scan(Status.AI_ANALYZED)
    doctor = clinic.person("doctor")
    with transaction():
        services.set_priority(urgent, Priority.URGENT, by=doctor)
    for scan_id, to in ((asked, "pharmacist"), (answered, "pharmacist"), (early, "doctor")):
        assert admin.post(url(scan_id, "hold"), {"to": to, "note": "Dose?"}).status_code == 303
    pharmacist_id = clinic.person("pharmacist").id
    with transaction():
        pharmacist = db.session.get_one(User, pharmacist_id)
        prescriptions.correct(answered, lines=[Line()], none_needed=True, notes="", by=pharmacist)

    page = admin.page("/admin/")
    assert listed(page) == [
        "Chitra Answered",
        "Devi",
        "Asha Plain",
        "Bina Asked",
        "Esha Early",
    ]
    text = page.select_one("#queue").get_text(" ")
    assert "Corrected by the pharmacist, look again" in text and "On hold for the doctor" in text
    assert "1–5 of 5 scans" in text
    assert listed(admin.page("/admin/?q=bina")) == ["Bina Asked"]


def test_the_list_names_who_wrote_what_counts(admin: Visitor, clinic: Clinic) -> None:
    doctor, other = clinic.person("doctor", name="Dr. First"), clinic.person("doctor", name="Dr. Second")
    pharmacist = clinic.person("pharmacist", name="P. Person")
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED, doctor=doctor, pharmacist=pharmacist).id
    other_id = other.id
    assert "Dr. First" in words(admin.get("/admin/")) and "P. Person" in words(admin.get("/admin/"))
    admin.post(url(scan_id, "hold"), {"to": "doctor", "note": "Which side?"})
    with transaction():
        written = ReviewText("Left lung.", "", "Pneumonia", Agreement.PARTLY)
        services.correct_review(scan_id, written, by=db.session.get_one(User, other_id))
    text = words(admin.get("/admin/"))
    assert "Dr. Second" in text and "Dr. First" not in text


def test_past_the_last_page_the_last_one_is_shown_as_what_it_is(admin: Visitor, clinic: Clinic) -> None:
    clinic.scan(Status.REPORT_READY, patient=clinic.person("patient", name="Asha Released"))
    page = admin.page("/admin/?show=released&page=9")
    assert "Asha Released" in page.select_one("#queue").get_text()
    assert page.select_one("#queue a[rel=prev]") is None


@pytest.mark.both_databases
def test_released_reports_are_listed_with_their_mail(admin: Visitor, clinic: Clinic) -> None:
    patient = clinic.person("patient", name="Asha Released")
    scan_id = clinic.scan(Status.REPORT_READY, patient=patient).id
    assert "The report is being made" in words(admin.get("/admin/?show=released"))
    clinic.run_jobs()
    page = admin.page("/admin/?show=released&q=asha")
    (version,) = reports.versions(fresh(scan_id))
    row = page.select_one("#queue tbody tr")
    assert row.select_one(f"a[href='/reports/{version.id}.pdf']") is not None
    assert row.select_one(".tag--ok").get_text(strip=True) == "Sent"
    assert "No patient was found" in words(admin.get("/admin/?show=released&q=nobody"))
    assert listed(admin.page("/admin/")) == []


@pytest.mark.parametrize("address", ["/admin/", "/admin/?show=released", "/admin/users", "/admin/mail"])
def test_a_row_costs_no_query(
    admin: Visitor, clinic: Clinic, queries_of: Callable[[Callable[[], object]], int], address: str
) -> None:
    status = Status.REPORT_READY if "released" in address else Status.PHARMACIST_COMPLETED

    def some(number: int) -> None:
        staff = {role: clinic.person(role) for role in ("doctor", "pharmacist", "admin")}
        for _ in range(number):
            clinic.scan(status, patient=clinic.person("patient"), **staff)
        if "released" in address:
            clinic.run_jobs("render_report")

    some(1)
    few = queries_of(lambda: admin.get(address))
    some(3)
    assert queries_of(lambda: admin.get(address)) == few <= 10


# Approving


@pytest.mark.both_databases
def test_approving_with_a_code_by_mail(admin: Visitor, clinic: Clinic, app: Flask) -> None:
    patient = clinic.person("patient")
    clinic.set_passphrase(patient)
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED, patient=patient, findings="<b>Clear</b> lungs.").id
    text = words(admin.get(url(scan_id)))
    assert text.index("Normal chest") < text.index("<b>Clear</b> lungs.") < text.index("Amoxicillin")
    assert "it works for 10 minutes" in text

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
    assert "it works for 3 minutes" in words(admin.get(url(scan_id)))
    admin.post(url(scan_id, "code"))
    assert "It will work for 3 minutes." in words(admin.get(url(scan_id)))


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


# Holds


def test_a_hold_is_asked_answered_looked_at_and_lifted(admin: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    answer = admin.post(url(scan_id, "hold"), {"to": "pharmacist", "note": "Check <the> dose."})
    assert answer.status_code == 303
    held = fresh(scan_id).open_hold
    assert held is not None and (held.to, held.note) == (HoldFor.PHARMACIST, "Check <the> dose.")
    page = admin.page(url(scan_id))
    assert "Check <the> dose." in page.get_text() and "Not answered yet." in page.get_text()
    assert page.select_one("form[action$=approve]") is None

    pharmacist_id = clinic.person("pharmacist").id
    with transaction():
        by = db.session.get_one(User, pharmacist_id)
        lines = [Line("Amoxicillin", "250 mg", "oral", "twice a day")]
        prescriptions.correct(scan_id, lines=lines, none_needed=False, notes="", by=by)
    text = words(admin.get(url(scan_id)))
    assert "Look at the new version before you lift the hold." in text
    assert "250 mg" in text and "Version 1 of the prescription" in text
    assert admin.post(url(scan_id, "lift")).status_code == 303
    page = admin.page(url(scan_id))
    assert page.select_one("form[action$=approve]") is not None
    assert "Lifted on" in page.get_text()


def test_a_hold_needs_somebody_and_a_note(admin: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    answer = admin.post(url(scan_id, "hold"), {"note": "What I typed"})
    assert answer.status_code == 422
    page = soup(answer)
    assert page.select_one("#to-error") is not None and page.select_one("#note").get_text().strip() == (
        "What I typed"
    )
    assert page.select_one("details:has(#note)").has_attr("open")
    answer = admin.post(url(scan_id, "hold"), {"to": "doctor", "note": " "})
    assert answer.status_code == 422 and soup(answer).select_one("#note-error") is not None
    assert soup(answer).select_one("input[name=to][value=doctor]").has_attr("checked")
    assert fresh(scan_id).open_hold is None


def test_before_the_prescription_only_the_doctor_can_be_asked(admin: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.DOCTOR_VERIFIED).id
    page = admin.page(url(scan_id))
    assert [tag["value"] for tag in page.select("input[name=to]")] == ["doctor"]
    assert admin.post(url(scan_id, "hold"), {"to": "pharmacist", "note": "x"}).status_code == 409
    assert admin.post(url(scan_id, "hold"), {"to": "doctor", "note": "x"}).status_code == 303


# Accounts


def test_who_waits_comes_first_and_is_let_in(admin: Visitor, clinic: Clinic) -> None:
    clinic.person("patient", name="Asha Patient")
    waiting_id = clinic.person("doctor", active=False, name="Dr. New <b>").id
    page = admin.page("/admin/users")
    assert listed(page, "users")[0] == "Dr. New <b>"
    assert f"1–{len(listed(page, 'users'))} of {len(listed(page, 'users'))} accounts" in page.get_text()
    row = page.select_one(f"#user-{waiting_id}")
    assert [each["formaction"].rpartition("/")[2] for each in row.select("button")] == ["refuse"]
    assert {each["form"] for each in row.select("button")} == {"row-form"}
    assert row.select_one(".actions a")["href"] == f"/admin/users/{waiting_id}#steps"
    assert page.select_one("form#row-form[method=post] input[name=csrf_token]")["value"]

    assert admin.post(f"/admin/users/{waiting_id}/approve", MINE).status_code == 303
    assert db.session.get_one(User, waiting_id).state is AccountState.ACTIVE
    clinic.run_jobs()
    assert any("approved" in str(mail["Subject"]) for mail in clinic.mail)
    answer = admin.post(f"/admin/users/{waiting_id}/approve", MINE)
    assert answer.status_code == 409 and "is not waiting for approval" in words(answer)
    assert listed(admin.page("/admin/users?q=asha"), "users") == ["Asha Patient"]
    assert listed(admin.page("/admin/users?role=patient"), "users") == ["Asha Patient"]
    assert listed(admin.page("/admin/users?state=waiting"), "users") == []
    assert admin.get("/admin/users?role=king&state=x&page=z").status_code == 200


def test_a_deactivated_person_is_signed_out_at_once(admin: Visitor, clinic: Clinic, doctor: Visitor) -> None:
    assert doctor.get("/doctor/").status_code == 200
    answer = admin.post(f"/admin/users/{doctor.user_id}/deactivate?role=doctor&page=1")
    assert answer.status_code == 303 and answer.headers["Location"] == "/admin/users?role=doctor&page=1"
    assert doctor.get("/doctor/").status_code == 302
    assert admin.post(f"/admin/users/{doctor.user_id}/deactivate").status_code == 409
    assert admin.post(f"/admin/users/{doctor.user_id}/reactivate", MINE).status_code == 303
    assert doctor.get("/doctor/").status_code == 302  # the old session stays ended
    assert db.session.get_one(User, doctor.user_id).state is AccountState.ACTIVE


def test_nobody_shuts_the_own_account(admin: Visitor, clinic: Clinic) -> None:
    row = admin.page("/admin/users").select_one(f"#user-{admin.user_id}")
    assert row.select("form, button") == []
    answer = admin.post(f"/admin/users/{admin.user_id}/deactivate")
    assert answer.status_code == 409 and "You cannot deactivate your own account." in words(answer)


def test_a_refused_account_can_be_approved_later(admin: Visitor, clinic: Clinic) -> None:
    user_id = clinic.person("pharmacist", active=False).id
    assert admin.post(f"/admin/users/{user_id}/refuse").status_code == 303
    assert admin.post(f"/admin/users/{user_id}/refuse").status_code == 409
    assert admin.post(f"/admin/users/{user_id}/approve", MINE).status_code == 303
    assert admin.post(f"/admin/users/{uuid.uuid4()}/approve", MINE).status_code == 404
    assert admin.post(f"/admin/users/{uuid.uuid4()}/approve").status_code == 404


# The mail log


@pytest.mark.both_databases
def test_the_mail_log_tells_how_far_each_message_has_come(admin: Visitor, clinic: Clinic) -> None:
    clinic.person("patient", name="Asha")
    clinic.run_jobs()
    with transaction():
        db.session.execute(
            update(MailMessage).values(
                state=MailState.FAILED, last_error="550 No such <user>", attempts=1, sent_at=None
            )
        )
    page = admin.page("/admin/mail?q=asha&kind=confirm_address&state=failed")
    (row,) = page.select("#mail tbody tr")
    text = " ".join(row.get_text(" ").split())
    assert "Address to confirm" in text and "It was given up after 1 try: 550 No such <user>" in text
    action = row.select_one("form")["action"]
    assert admin.post(action).headers["Location"] == "/admin/mail?q=asha&kind=confirm_address&state=failed"
    clinic.run_jobs()
    assert "The mail server accepted it on" in words(admin.get("/admin/mail?q=asha&state=sent"))
    assert admin.post(action).status_code == 409


def test_a_code_is_never_sent_again(admin: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    admin.post(url(scan_id, "code"))
    message = db.session.scalars(select(MailMessage).where(MailMessage.kind == MailKind.CODE)).one()
    message_id = message.id
    with transaction():
        db.session.get_one(MailMessage, message_id).state = MailState.FAILED
    assert admin.page("/admin/mail?kind=code").select("#mail form") == []
    assert admin.post(f"/admin/mail/{message_id}/again").status_code == 409
    assert admin.post(f"/admin/mail/{uuid.uuid4()}/again").status_code == 404
    with pytest.raises(StateConflict), transaction():
        send_again(message_id, by=admin.user)
    assert "could not be sent" in words(admin.get(url(scan_id)))


# The audit log


@pytest.mark.both_databases
def test_the_audit_log_is_searched(admin: Visitor, clinic: Clinic) -> None:
    doctor = clinic.person("doctor", name="Dr. Looked For")
    scan_id = clinic.scan(Status.AI_ANALYZED, doctor=doctor).id

    def found(query: str) -> list[str]:
        return [row.split()[-1] for row in listed(admin.page(f"/admin/audit?{query}"), "audit")]

    assert set(found("action=scan.")) == {"scan.submitted", "scan.status_changed", "scan.analysis_requested"}
    assert set(found("action=scan.status_changed")) == {"scan.status_changed"}
    assert found("action=scan%25") == []
    assert set(found("person=looked")) == {
        "account.registered",
        "scan.analysis_requested",
        "scan.status_changed",
    }
    assert set(found(f"subject={scan_id}&person=looked")) == {
        "scan.analysis_requested",
        "scan.status_changed",
    }
    assert found("from=2999-01-01") == [] and found("to=2001-01-01") == []
    assert found("from=2001-01-01&to=9999-12-31") and found("from=nonsense&before=x")
    page = admin.page("/admin/audit?action=scan.status_changed")
    assert page.select_one("#action option[selected]")["value"] == "scan.status_changed"
    row = page.select_one("#audit tbody tr")
    assert row.select_one(f"a[href='{url(scan_id)}']") is not None
    assert "AI_ANALYZED" in row.get_text() and "Dr. Looked For" in row.get_text()


def test_the_audit_log_goes_back_page_by_page_without_gaps(admin: Visitor, clinic: Clinic) -> None:
    with transaction():
        moment = now()  # all at the very same time: the number decides
        for number in range(120):
            event = AuditEvent(at=moment, action="session.began", origin="10.0.0.1", detail={"n": number})
            db.session.add(event)
    address, seen = "/admin/audit?action=session.", []
    while address:
        page = admin.page(address)
        seen += [row["id"] for row in page.select("#audit tbody tr")]
        older = page.select_one("#audit a[rel=next]")
        address = older["href"] if older else ""
    assert len(seen) == len(set(seen)) == 120
    assert admin.page("/admin/audit?action=session.&before=999999").select("#audit tbody tr")


def recorded_actions() -> set[str]:
    package = TEMPLATES.parent / "csss"
    source = "\n".join(path.read_text() for path in package.rglob("*.py"))
    actions = set(re.findall(r'record(?:_once)?\(\s*"([a-z_]+\.[a-z_]+)"', source))
    actions |= set(re.findall(r'"(scan\.[a-z]+_viewed)"', source))
    assert len(actions) > 20
    return actions


def test_every_action_that_is_recorded_has_words() -> None:
    assert recorded_actions() - set(ACTION_WORDS) == set()


def test_every_action_that_is_recorded_can_be_chosen_in_the_filter(admin: Visitor) -> None:
    groups = {action.partition(".")[0] + "." for action in recorded_actions() | set(ACTION_WORDS)}
    assert groups - set(ACTION_GROUPS) == set(), "actions that no choice of the audit log finds"
    assert set(ACTION_GROUPS) - groups == set(), "choices that find nothing"
    offered = {
        option["value"]: option.get_text() for option in admin.page("/admin/audit").select("#action option")
    }
    assert set(offered) == {"", *ACTION_GROUPS}
    assert len(set(offered.values())) == len(offered), "two groups that nobody can tell apart"
    assert offered["prescription_template."] == "Prescription templates"


# Everywhere


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
    one_root(admin.get(url(scan_id, "code-state")), "code-state")
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


def test_a_code_that_was_asked_for_elsewhere_approves_nothing_here(clinic: Clinic) -> None:
    user, scan_id = clinic.person("admin"), clinic.scan(Status.PHARMACIST_COMPLETED).id
    here, there = clinic.visitor(user), clinic.visitor(user)
    assert here.post(url(scan_id, "code")).status_code == 303
    code = code_from_mail(clinic)
    answer = there.post(url(scan_id, "approve"), SEEN | {"code": code})
    assert answer.status_code == 422 and "another device" in words(answer)
    assert here.post(url(scan_id, "approve"), SEEN | {"code": code}).status_code == 303


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
