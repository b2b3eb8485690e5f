"""Who looked at what, who was refused what, and which mail left: each in the audit log, and none of it too often."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from csss.audit.models import AuditEvent
from csss.audit.settings_changes import in_effect, record_settings
from csss.auth.models import CodePurpose
from csss.auth.second_factor import request_code
from csss.clock import now, pretending
from csss.config import Settings
from csss.database import db, transaction
from csss.errors import Invalid
from csss.jobs import notice_jobs
from csss.notices.channels import email
from csss.people.models import User
from csss.reports import queries as reports
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.factories import Clinic, picture
from tests.integration.test_backup import keep_report
from tests.visitor import Visitor

SMALL = picture(64, 64)


def kept(prefix: str = "") -> list[tuple[str, str]]:
    """Action and subject of the events, oldest first."""
    rows = db.session.scalars(
        sa.select(AuditEvent).where(AuditEvent.action.startswith(prefix)).order_by(AuditEvent.id)
    ).all()
    found = [(row.action, row.subject_id) for row in rows]
    db.session.rollback()
    return found


def newest(action: str) -> AuditEvent:
    query = sa.select(AuditEvent).where(AuditEvent.action == action).order_by(AuditEvent.id.desc())
    found = db.session.scalars(query).first()
    assert found is not None, f"nothing was recorded as {action}"
    return found


def test_opening_a_scan_its_picture_and_its_heat_map_is_kept_once_an_hour(clinic: Clinic) -> None:
    people = {role: clinic.person(role) for role in ("patient", "doctor", "pharmacist", "admin")}
    visitors = {role: clinic.visitor(user) for role, user in people.items()}
    scan_id = clinic.scan(Status.REPORT_READY, image=SMALL, **people).id
    keep_report(scan_id)
    for role, visitor in visitors.items():
        begin, page = len(kept("scan.")), f"/{role}/scans/{scan_id}"
        picture_of = f"/scans/{scan_id}/image"
        addresses = (page, picture_of, f"{picture_of}?size=preview", f"/scans/{scan_id}/heatmap")

        def look(
            visitor: Visitor = visitor, addresses: tuple[str, ...] = addresses, begin: int = begin
        ) -> list[str]:
            for address in addresses:
                for headers in ({}, {"HX-Request": "true"}):
                    assert visitor.get(address, headers=headers).status_code == 200
            return sorted(action for action, subject in kept("scan.")[begin:] if subject == str(scan_id))

        once = ["scan.heatmap_viewed", "scan.image_viewed", "scan.viewed"]
        assert look() == look() == once
        with pretending(now() + timedelta(minutes=59)):
            assert look() == once
        visitor.get(page, environ_base={"REMOTE_ADDR": "10.1.2.3"})
        event = newest("scan.viewed")
        assert (event.origin, event.actor_id, event.actor_role) == ("10.1.2.3", visitor.user_id, role)


def test_somebody_who_still_has_it_open_an_hour_later_is_kept_again(clinic: Clinic, doctor: Visitor) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED, image=SMALL).id
    doctor.get(f"/doctor/scans/{scan_id}")
    with pretending(now() + timedelta(minutes=50)):  # which the session lives through
        doctor.get(f"/doctor/scans/{scan_id}")
    with pretending(now() + timedelta(minutes=70)):
        doctor.get(f"/doctor/scans/{scan_id}")
    assert len(kept("scan.viewed")) == 2


def test_lists_are_no_views_and_neither_is_an_answer_without_anything(
    clinic: Clinic, doctor: Visitor
) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED, image=SMALL).id
    doctor.get("/doctor/")
    doctor.post(f"/doctor/scans/{scan_id}/release", {"beacon": "1"})
    assert kept("scan.viewed") == []


def test_a_scan_beside_another_and_reports_chosen_together_are_views_too(
    clinic: Clinic, doctor: Visitor, admin: Visitor
) -> None:
    patient = clinic.person("patient")
    one, two = (clinic.scan(Status.PHARMACIST_COMPLETED, patient=patient, image=SMALL).id for _ in range(2))
    assert doctor.get(f"/doctor/scans/{one}?compare={two}").status_code == 200
    assert sorted(kept("scan.viewed")) == sorted([("scan.viewed", str(one)), ("scan.viewed", str(two))])
    answer = admin.post("/admin/approvals", {"scan": [str(one), str(two)]})
    admin.get(answer.headers["Location"])
    assert len(kept("scan.viewed")) == 4


def test_an_administrator_who_looks_at_accounts_or_at_the_log_is_kept(clinic: Clinic, admin: Visitor) -> None:
    patient = clinic.person("patient")
    for _ in range(2):
        admin.get(f"/admin/users/{patient.id}")
        admin.get("/admin/audit")
    assert kept("account.viewed") == [("account.viewed", str(patient.id))]
    assert len(kept("audit.viewed")) == 1


def test_what_somebody_may_not_see_is_kept_as_a_refusal(
    clinic: Clinic, patient: Visitor, doctor: Visitor
) -> None:
    foreign = clinic.scan(Status.REPORT_READY, image=SMALL).id
    keep_report(foreign)
    report = reports.versions(db.session.get_one(Scan, foreign))[0].id
    for address, status, reason in (
        (f"/patient/scans/{foreign}", 404, "not_found"),
        (f"/scans/{foreign}/image", 404, "not_found"),
        (f"/reports/{report}.pdf", 404, "not_found"),
        (f"/patient/scans/{uuid.uuid4()}", 404, "not_found"),
        ("/admin/audit", 403, "not_permitted"),
        (f"/doctor/scans/{foreign}", 403, "not_permitted"),
    ):
        with pretending(now() + timedelta(minutes=2 * len(kept("access.refused")))):
            assert patient.get(address).status_code == status
            event = newest("access.refused")
            assert event.detail["reason"] == reason, address
            assert event.actor_id == patient.user_id and event.origin == "127.0.0.1"
    assert len(kept("access.refused")) == 6
    assert kept("scan.image_viewed") == [] and kept("report.downloaded") == []
    doctor.get(f"/scans/{foreign}/image", headers={"Sec-Fetch-Site": "cross-site"})
    assert newest("access.refused").detail["reason"] == "other_site"


def test_a_form_of_another_site_is_kept_as_a_refusal_but_fills_no_log(
    nobody: Visitor, patient: Visitor
) -> None:
    for _ in range(3):
        assert nobody.post("/login", {"email": "a@b.example", "csrf_token": "forged"}).status_code == 400
    assert patient.post("/account", {"csrf_token": "forged"}).status_code == 400
    assert [
        row.detail["reason"]
        for row in db.session.scalars(sa.select(AuditEvent).where(AuditEvent.action == "access.refused"))
    ] == [
        "form_token",
        "form_token",
    ]
    assert newest("access.refused").actor_id == patient.user_id


def test_strangers_fill_no_log_with_addresses_that_do_not_exist(nobody: Visitor) -> None:
    for address in ("/wp-admin", f"/patient/scans/{uuid.uuid4()}", "/confirm/made-up", "/static/none.js"):
        nobody.get(address)
    assert kept("access.") == []


def test_a_view_that_cannot_be_recorded_is_not_shown(
    app: Flask, clinic: Clinic, doctor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan_id = clinic.scan(Status.AI_ANALYZED, image=SMALL, findings="").id

    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("csss.web.view_audit.record_once", fail)
    app.testing = False
    answer = doctor.get(f"/doctor/scans/{scan_id}")
    assert answer.status_code == 500


def test_a_wrong_current_password_and_too_many_codes_are_kept(clinic: Clinic, patient: Visitor) -> None:
    sent = {
        "section": "password",
        "current_password": "this is not it",
        "new_password": "long enough, surely",
    }
    assert patient.post("/account", sent).status_code == 422
    assert newest("account.password_refused").actor_id == patient.user_id
    admin, subject = clinic.person("admin"), uuid.uuid4()
    for _ in range(3):
        with transaction():
            request_code(db.session.get_one(User, admin.id), CodePurpose.APPROVAL, subject)
    with pytest.raises(Invalid), transaction():
        request_code(db.session.get_one(User, admin.id), CodePurpose.APPROVAL, subject)
    assert newest("code.request_refused").actor_id == admin.id


def test_every_mail_that_left_or_never_will_is_kept(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic.person("doctor", confirmed=False)
    clinic.run_jobs("send_mail")
    assert newest("mail.sent").detail["kind"] == "confirm_address"

    def refuse(_: object) -> None:
        raise email.RefusedError("The mail server answered 550: no such user")

    monkeypatch.setattr(notice_jobs.email, "send", refuse)
    doctor = clinic.person("doctor", confirmed=False)
    clinic.run_jobs("send_mail")
    assert newest("mail.failed").detail["to"] == str(doctor.id)
    assert "550" not in str(newest("mail.failed").detail)


def test_a_change_of_settings_is_kept_at_the_next_start_and_no_secret_with_it(app: Flask) -> None:
    def start(part: str = "web", **more: object) -> list[tuple[str, str]]:
        app.config["CSSS"] = replace(app.config["CSSS"], **more)
        record_settings(part)
        return kept("settings.")

    assert len(start()) == len(start()) == 1
    assert len(start("worker")) == 2
    assert len(start(otp_minutes=5, port=9999)) == 3
    event = newest("settings.changed")
    assert event.detail["changed"] == ["CSSS_OTP_MINUTES"] and event.origin == "web"
    assert event.detail["settings"]["model"].startswith("csss-")
    secret = "Kanarienvogel"
    url = f"postgresql://csss:{secret}@127.0.0.1/csss"
    hidden = Settings(secret_key=secret * 3, mail_password=secret, metrics_token=secret, database_url=url)
    shown = in_effect(hidden)
    assert secret not in str(shown) and "csss:***@" in shown["CSSS_DATABASE_URL"]
    assert shown["CSSS_MAIL_PASSWORD"] == "set"


def test_a_database_that_does_not_answer_keeps_nothing_from_starting(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit_events RENAME TO elsewhere")
    record_settings("web")


def test_the_page_of_the_log_shows_the_newest_seal_and_the_last_check(clinic: Clinic, admin: Visitor) -> None:
    from csss.audit import chain
    from csss.audit.record import record

    clinic.scan(image=SMALL)
    page = admin.page("/admin/audit").get_text(" ")
    assert "never been checked" in page
    head = chain.head()
    with transaction():
        record("audit.verified", number=head.number, hash=head.hash, problems=0)
    text = " ".join(admin.page("/admin/audit").get_text(" ").split())
    assert f"up to event {head.number}, and everything was in order" in text
    with transaction():
        record("audit.verified", number=head.number, hash=head.hash, problems=2)
    assert "2 problems" in admin.page("/admin/audit").get_text(" ")
