"""Statistics, the export of the audit log, given-up jobs, and help for people who are locked out."""

import csv
import io
import threading
import uuid
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import select, update

from csss import outbox
from csss.audit.models import AuditEvent
from csss.audit.record import record
from csss.auth import authenticator_app, second_factor
from csss.clock import now, pretending
from csss.database import db, transaction
from csss.notices.models import MailKind, MailMessage, MailState
from csss.outbox import OutboxJob
from csss.people.models import User
from csss.scans import analysis
from csss.scans.models import Scan
from csss.scans.states import Agreement, Status
from csss.statistics import queries
from csss.statistics.figures import buckets, wilson
from csss.web.admin.approvals import preview_routes
from csss.web.exports import inert
from tests.factories import PASSWORD, Clinic, reading
from tests.visitor import Visitor, soup, words

MINE = {"current_password": PASSWORD}


def table(answer_text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer_text.removeprefix("\ufeff"))))


# Statistics


@pytest.fixture
def noon() -> Iterator[None]:
    """It is noon where the hospital is, so that no day ends while the test runs."""
    with pretending(now().replace(hour=6, minute=30)):
        yield


@pytest.mark.both_databases
@pytest.mark.usefixtures("noon")
def test_the_figures_count_what_has_happened(clinic: Clinic, app: Flask) -> None:
    clinic.scan(Status.REPORT_READY)
    clinic.scan(Status.DOCTOR_VERIFIED, result=reading("COVID", 0.5))
    clinic.scan()
    found = queries.count(7)
    assert {status: sum(counts) for status, counts in found.steps.items()} == {
        Status.PENDING_AI: 3,
        Status.AI_ANALYZED: 2,
        Status.DOCTOR_VERIFIED: 2,
        Status.PHARMACIST_COMPLETED: 1,
        Status.REPORT_READY: 1,
    }
    assert found.steps[Status.PENDING_AI][-1] == 3 and len(found.buckets) == 7
    assert found.standing[Status.PENDING_AI] == 1 and Status.REPORT_READY not in found.standing
    assert found.waits[Status.AI_ANALYZED].count == 2 and found.whole_way is not None
    assert timedelta() < found.waits[Status.DOCTOR_VERIFIED].median < timedelta(minutes=5)
    assert found.verdicts["Normal"].counts[Agreement.AGREE] == 1 and found.verdicts["Uncertain"].said == 1
    assert (found.readings.certain, found.readings.uncertain, found.readings.without) == (1, 1, 0)
    assert found.mails


def test_a_period_ends_today_where_the_hospital_is() -> None:
    zone = ZoneInfo("Asia/Kolkata")
    at = datetime(2026, 3, 1, 20, 0, tzinfo=ZoneInfo("UTC"))  # the second of March there
    days = buckets(7, zone, at)
    assert (days[0].first_day, days[-1].first_day, len(days)) == (date(2026, 2, 24), date(2026, 3, 2), 7)
    weeks = buckets(365, zone, at)
    assert weeks[-1].ends == days[-1].ends and weeks[0].first_day <= date(2025, 3, 3)


def test_the_interval_of_a_share_is_wilsons() -> None:
    low, high = wilson(8, 10) or (0, 0)
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)  # Newcombe 1998, method 3
    assert wilson(0, 0) is None


def test_the_statistics_page_says_in_words_what_it_draws(admin: Visitor, clinic: Clinic) -> None:
    clinic.scan(Status.REPORT_READY)
    page = admin.page("/admin/statistics?days=7")
    for plot in page.select("svg.plot[role=img]"):
        for name in plot["aria-labelledby"].split():
            assert page.select_one(f"[id='{name}']").get_text(strip=True), name
    assert page.select("svg.plot") and not page.select("svg [style], svg text")
    assert "1 of 1: 100 % (21 to 100 %)" in page.get_text()
    assert page.select_one("#done details table") is not None
    assert words(admin.get("/admin/statistics?days=nonsense"))
    rows = table(admin.get("/admin/statistics.csv?days=7").get_data(as_text=True))
    assert rows[0] == ["figure", "of", "beginning", "value"]
    assert sum(int(row[3]) for row in rows if row[:2] == ["scans", "REPORT_READY"]) == 1


def test_an_empty_clinic_has_a_statistics_page(admin: Visitor) -> None:
    for days in (7, 30, 90, 365):
        assert "No scan took a step in this time." in words(admin.get(f"/admin/statistics?days={days}"))


# The audit log


def test_the_audit_log_is_exported_inert_and_tells_of_it(admin: Visitor, clinic: Clinic) -> None:
    clinic.person("patient", name="=HYPERLINK(1)")
    answer = admin.get("/admin/audit.csv?action=account.registered")
    assert answer.content_type.startswith("text/csv") and answer.headers["Cache-Control"] == "no-store"
    assert "attachment" in answer.headers["Content-Disposition"]
    rows = table(answer.get_data(as_text=True))
    assert rows[0][:3] == ["number", "at", "action"] and {row[2] for row in rows[1:]} == {
        "account.registered"
    }
    assert "'=HYPERLINK(1)" in {row[3] for row in rows}
    assert "exported the audit log" in words(admin.get("/admin/audit"))
    answer = admin.get("/admin/audit.csv?from=2020-01-01&to=2026-01-01")
    assert answer.status_code == 422 and "At most 366 days" in words(answer)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert inert(cell).startswith("'")
    assert inert(-3) == "-3" and inert("plain") == "plain"


def test_an_export_goes_on_behind_the_first_block(admin: Visitor, clinic: Clinic) -> None:
    with transaction():
        for number in range(1_050):
            record("scan.held", by=admin.user, place=number)
    rows = table(admin.get("/admin/audit.csv?action=scan.held").get_data(as_text=True))[1:]
    assert len(rows) == 1_050 and len({row[0] for row in rows}) == 1_050


def test_the_audit_log_is_searched_by_mrn(admin: Visitor, clinic: Clinic) -> None:
    scan = clinic.scan()
    mrn, scan_id = scan.patient.mrn, str(scan.id)
    clinic.scan()
    page = admin.page(f"/admin/audit?subject={mrn}")
    found = {code.get_text(strip=True) for code in page.select("#audit dd a code")}
    assert scan_id in found and len(found) == 2  # the scan and the patient's account
    assert "No event was found" in words(admin.get("/admin/audit?subject=999999999"))


# Given-up jobs


@pytest.mark.both_databases
def test_a_given_up_report_is_tried_again(admin: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.REPORT_READY).id
    assert "No job was given up" in words(admin.get("/admin/jobs"))
    with transaction():
        row = db.session.scalars(select(OutboxJob).where(OutboxJob.job == "render_report")).one()
        row.failed_at, row.attempts, row.last_error, job_id = now(), 200, "OSError: disk full", row.id
    text = words(admin.get("/admin/jobs"))
    assert "Make a report" in text and "OSError: disk full" in text and "200 tries" in text
    assert admin.post(f"/admin/jobs/{job_id}/again").status_code == 303
    assert admin.post(f"/admin/jobs/{job_id}/again").status_code == 409
    assert tried_again(admin) == ["render_report"]
    clinic.run_jobs("render_report")
    assert "The report is being made" not in words(admin.get(f"/admin/scans/{scan_id}"))
    assert admin.post(f"/admin/jobs/{uuid.uuid4()}/again").status_code == 404
    assert [each.open for each in outbox.backlog() if each.queue is outbox.Queue.REPORTS] == [0]


def tried_again(admin: Visitor) -> list[str]:
    events = db.session.scalars(select(AuditEvent).where(AuditEvent.action == "job.tried_again")).all()
    assert {event.actor_id for event in events} <= {admin.user_id}
    return [event.detail["job"] for event in events]


@pytest.mark.both_databases
def test_a_given_up_mail_is_tried_again_from_the_same_list_and_leaves_it(
    admin: Visitor, clinic: Clinic
) -> None:
    clinic.run_jobs()
    address = clinic.person("doctor", name="Asha Unreached").email
    with transaction():
        row = db.session.scalars(select(OutboxJob).where(OutboxJob.done_at.is_(None))).one()
        message = db.session.get_one(MailMessage, uuid.UUID(row.args[0]))
        message.state, row.failed_at, row.last_error, job_id = MailState.FAILED, now(), "NoLineError", row.id
    assert "Send a message" in words(admin.get("/admin/jobs"))
    assert admin.post(f"/admin/jobs/{job_id}/again").status_code == 303
    assert "No job was given up" in words(admin.get("/admin/jobs"))
    clinic.run_jobs()
    assert [mail["To"] for mail in clinic.mail].count(address) == 1
    assert admin.post(f"/admin/jobs/{job_id}/again").status_code == 409


def test_a_given_up_analysis_is_the_doctors_to_begin_again_and_leaves_the_list_then(
    admin: Visitor, clinic: Clinic
) -> None:
    doctor = clinic.visitor(clinic.person("doctor"))
    scan_id = clinic.scan().id
    doctor.post(f"/doctor/scans/{scan_id}/analyze")
    with transaction():
        row = db.session.scalars(select(OutboxJob).where(OutboxJob.job == "analyse_scan")).one()
        analysis.keep_failure(uuid.UUID(row.args[0]), "It took too long.")
        row.failed_at, job_id = now(), row.id
    page = admin.page("/admin/jobs")
    assert page.select_one(f"#job-{job_id} a[href='/admin/scans/{scan_id}']")
    assert "The doctor starts it again" in page.get_text()
    assert admin.post(f"/admin/jobs/{job_id}/again").status_code == 409
    assert doctor.post(f"/doctor/scans/{scan_id}/analyze").status_code == 303
    assert "No job was given up" in words(admin.get("/admin/jobs"))


def test_a_given_up_job_is_set_aside_once_and_the_alarm_ends(admin: Visitor, clinic: Clinic) -> None:
    clinic.scan(Status.REPORT_READY)
    with transaction():
        row = db.session.scalars(select(OutboxJob).where(OutboxJob.job == "render_report")).one()
        row.failed_at, job_id = now(), row.id
    alarm = 'csss_outbox_failed{queue="reports"}'
    assert f"{alarm} 1.0" in admin.get("/metrics").get_data(as_text=True)
    assert admin.post(f"/admin/jobs/{job_id}/aside").status_code == 303
    assert admin.post(f"/admin/jobs/{job_id}/aside").status_code == 409
    assert f"{alarm} 0.0" in admin.get("/metrics").get_data(as_text=True)
    assert db.session.scalar(select(AuditEvent.actor_id).where(AuditEvent.action == "job.set_aside"))


# Mail


def test_a_report_that_did_not_arrive_is_mailed_once_more(admin: Visitor, clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.REPORT_READY).id
    clinic.run_jobs()
    address = f"/admin/scans/{scan_id}"
    assert "Send once more" not in words(admin.get(address))  # it has only just been sent
    with transaction():
        db.session.execute(
            update(MailMessage)
            .where(MailMessage.kind == MailKind.REPORT_READY)
            .values(sent_at=now() - timedelta(hours=1))
        )
    form = admin.page(address).select_one("#release form")
    answer = admin.post(form["action"])
    assert answer.status_code == 303 and answer.headers["Location"].startswith(address)
    clinic.run_jobs("send_mail")
    mails = [each for each in clinic.mail if "report is ready" in str(each["Subject"])]
    assert [each["X-CSSS-Repeated"] for each in mails] == [
        "possibly"
    ]  # a file a Message-ID: it is still the same
    db.session.remove()
    message = db.session.scalars(select(MailMessage).where(MailMessage.kind == MailKind.REPORT_READY)).one()
    assert message.state is MailState.SENT and message.attempts == 2
    assert admin.post(form["action"]).status_code == 409


# Previews


def test_too_many_previews_at_once_are_put_off(
    admin: Visitor, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    full = threading.BoundedSemaphore(1)
    full.acquire()
    monkeypatch.setattr(preview_routes, "_previews", full)
    answer = admin.get(f"/admin/scans/{scan_id}/preview.pdf")
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "2"
    full.release()
    assert admin.get(f"/admin/scans/{scan_id}/preview.pdf").status_code == 200
    db.session.remove()
    actions = db.session.scalars(
        select(AuditEvent.action).where(AuditEvent.action == "report.previewed")
    ).all()
    assert len(actions) == 1


# People who are locked out


def test_sessions_of_others_are_ended(admin: Visitor, clinic: Clinic) -> None:
    doctor = clinic.visitor(clinic.person("doctor", name="Dr. Away"))
    address = f"/admin/users/{doctor.user_id}"
    assert "Signed in now" in words(admin.get(address)) and doctor.get("/doctor/").status_code == 200
    answer = admin.post(f"{address}/end-sessions?at=account")
    assert answer.status_code == 303 and answer.headers["Location"] == address
    assert doctor.get("/doctor/").status_code == 302
    assert "This person is not signed in anywhere." in words(admin.get(address))


def test_a_lost_second_factor_is_reset(admin: Visitor, clinic: Clinic) -> None:
    other = clinic.person("admin", name="Lost Phone")
    other_id = other.id
    with transaction():
        secret = authenticator_app.new_totp_secret()
        other = db.session.get_one(User, other_id)
        import pyotp

        authenticator_app.confirm_totp(other, secret, pyotp.TOTP(secret).now())
        second_factor.new_recovery_codes(other)
    visitor = clinic.visitor(db.session.get_one(User, other_id))
    address = f"/admin/users/{other_id}"
    assert "10 recovery codes left" in words(admin.get(address))
    assert admin.post(f"{address}/reset-second-factor?at=account", MINE).status_code == 303
    db.session.remove()
    other = db.session.get_one(User, other_id)
    assert other.totp_secret is None and second_factor.recovery_codes_left(other) == 0
    assert visitor.get("/admin/").status_code == 302
    answer = admin.post(f"{address}/reset-second-factor?at=account", MINE)
    assert answer.status_code == 409 and "has no authenticator app" in words(answer)


def test_nobody_locks_themselves_out(admin: Visitor, clinic: Clinic) -> None:
    address = f"/admin/users/{admin.user_id}"
    page = soup(admin.get(address))
    assert "This is your own account" in page.get_text() and page.select("#user form") == []
    for step in ("deactivate", "end-sessions", "reset-second-factor"):
        assert admin.post(f"{address}/{step}?at=account", MINE).status_code == 409
    assert admin.get("/admin/").status_code == 200
    assert db.session.scalar(select(Scan.id)) is None
