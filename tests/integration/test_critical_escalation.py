"""When nobody takes note of a critical result in time, more people are told: each step once, whatever dies meanwhile."""

import os
import signal
import time
import uuid
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import select, update

from csss.clock import now
from csss.database import db, transaction
from csss.notices.models import MailKind, MailMessage
from csss.people.models import AccountState, User
from csss.scans import critical_results
from csss.scans.critical_models import CriticalEvent, CriticalStep
from tests.factories import Clinic
from tests.integration.critical import critical_scan, events, marked_ago, results
from tests.integration.doctor import url
from tests.integration.test_workflow_races import at_once
from tests.visitor import Visitor, words


def overdue_mails() -> list[tuple[str, uuid.UUID]]:
    db.session.rollback()
    query = select(User.role, MailMessage.subject_id).join(User, User.id == MailMessage.user_id)
    found = db.session.execute(query.where(MailMessage.kind == MailKind.CRITICAL_OVERDUE)).all()
    return sorted((role.value, subject) for role, subject in found)


def critical_mails(clinic: Clinic) -> list[EmailMessage]:
    return [mail for mail in clinic.mail if "critical result" in mail["Subject"]]


def escalated_ago(minutes: int) -> None:
    """Move the last escalation back. The table refuses it, so its trigger is put aside for a moment."""
    with db.engine.begin() as connection:
        postgresql = connection.dialect.name == "postgresql"
        name = "critical_events_append_only" if postgresql else "critical_events_no_update"
        if postgresql:
            connection.exec_driver_sql(f"ALTER TABLE critical_events DISABLE TRIGGER {name}")
        else:
            kept = connection.exec_driver_sql(
                f"SELECT sql FROM sqlite_master WHERE name = '{name}'"
            ).scalar_one()
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        at = now() - timedelta(minutes=minutes)
        connection.execute(update(CriticalEvent).values(at=at))
        connection.exec_driver_sql(
            f"ALTER TABLE critical_events ENABLE TRIGGER {name}" if postgresql else kept
        )
    db.session.rollback()  # what it has read is of the time before


@pytest.mark.both_databases
def test_it_is_told_three_times_with_the_limit_between_and_no_more(clinic: Clinic) -> None:
    clinic.person("admin"), clinic.person("admin"), clinic.person("pharmacist")
    scan_id = critical_scan(clinic)
    assert critical_results.escalate_overdue() == 0
    marked_ago(scan_id, minutes=59)
    assert critical_results.escalate_overdue() == 0
    marked_ago(scan_id, minutes=300)
    for step in (1, 2, 3):
        assert critical_results.escalate_overdue() == 1
        assert critical_results.escalate_overdue() == 0, "the next step has time again"
        assert [each.step for each in events(scan_id)] == list(range(1, step + 1))
        escalated_ago(61)
    assert critical_results.escalate_overdue() == 0
    assert len(overdue_mails()) == 9
    assert [role for role, _ in overdue_mails()] == ["admin"] * 6 + ["doctor"] * 3


def test_the_mail_says_how_long_and_nothing_of_the_patient(clinic: Clinic) -> None:
    clinic.person("admin")
    scan_id = critical_scan(clinic)
    marked_ago(scan_id, minutes=75)
    critical_results.escalate_overdue()
    clinic.run_jobs("send_mail")
    late = [mail for mail in clinic.mail if "Nobody has taken note" in mail["Subject"]]
    assert len(late) == 2  # the administrator and the doctor
    assert all("for 75 minutes" in mail.get_content() for mail in late)
    assert not [mail for mail in late if "Patient" in mail.get_content() or "Call the" in mail.get_content()]


def test_nothing_is_told_once_somebody_has_taken_note(clinic: Clinic, admin: Visitor) -> None:
    scan_id = critical_scan(clinic)
    marked_ago(scan_id, minutes=75)
    critical_results.escalate_overdue()
    admin.post(f"/scans/{scan_id}/critical", {"result": str(results(scan_id)[0].id)})
    clinic.run_jobs("send_mail")
    assert critical_mails(clinic) == []  # what was owed has become pointless
    escalated_ago(61)
    assert critical_results.escalate_overdue() == 0


def test_a_doctor_who_has_left_is_not_told(clinic: Clinic) -> None:
    doctor, _admin = clinic.person("doctor"), clinic.person("admin")
    doctor_id = doctor.id
    scan_id = critical_scan(clinic, doctor)
    with transaction():
        db.session.get_one(User, doctor_id).state = AccountState.DEACTIVATED
    marked_ago(scan_id, minutes=75)
    assert critical_results.escalate_overdue() == 1
    assert [role for role, _ in overdue_mails()] == ["admin"]


def test_the_doctor_sees_it_on_the_list_and_on_the_page(clinic: Clinic, admin: Visitor) -> None:
    doctor = clinic.person("doctor")
    doctor_id = doctor.id
    scan_id = critical_scan(clinic, doctor)
    visitor = clinic.visitor(db.session.get_one(User, doctor_id))
    colleague = clinic.visitor(clinic.person("doctor"))
    marked_ago(scan_id, minutes=75)
    critical_results.escalate_overdue()
    for page in ("/doctor/", url(scan_id)):
        shown = words(visitor.get(page))
        assert "nobody has taken note for 1 h 15 min" in shown and "Telephone somebody" in shown
    assert "nobody has taken note" not in words(colleague.get("/doctor/"))
    fragment = admin.get("/critical", headers={"HX-Request": "true"})
    assert "nobody has taken note for 1 h 15 min" in words(fragment)
    assert admin.get("/critical").headers["Location"].endswith("/admin/")


def test_prometheus_hears_how_many_wait_and_since_when(clinic: Clinic, nobody: Visitor) -> None:
    def told() -> str:
        return nobody.get("/metrics").get_data(as_text=True)

    assert "csss_critical_open 0.0" in told() and "csss_critical_oldest_seconds 0.0" in told()
    scan_id = critical_scan(clinic)
    marked_ago(scan_id, minutes=10)
    lines = dict(line.rsplit(" ", 1) for line in told().splitlines() if line.startswith("csss_critical"))
    assert lines["csss_critical_open"] == "1.0"
    assert 600 <= float(lines["csss_critical_oldest_seconds"]) < 660


@pytest.mark.both_databases
def test_several_workers_at_once_take_each_step_once(clinic: Clinic) -> None:
    """Without `at_once`'s transaction: the sweep opens its own."""
    import threading

    clinic.person("admin")
    scans = [critical_scan(clinic) for _ in range(3)]
    for scan_id in scans:
        marked_ago(scan_id, minutes=75)
    start, counted = threading.Barrier(4), []

    def sweep() -> None:
        with clinic.app.app_context():
            start.wait(timeout=20)
            counted.append(critical_results.escalate_overdue())
            db.session.remove()

    threads = [threading.Thread(target=sweep) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=60)
    assert sum(counted) == 3
    assert [len(events(scan_id)) for scan_id in scans] == [1, 1, 1]
    assert len(overdue_mails()) == 6


@pytest.mark.both_databases
def test_of_taking_note_and_telling_more_people_either_comes_first(clinic: Clinic) -> None:
    admin_id = clinic.person("admin").id
    scan_id = critical_scan(clinic)
    result_id = results(scan_id)[0].id
    marked_ago(scan_id, minutes=75)

    def take(user: User) -> None:
        critical_results.acknowledge(scan_id, result_id, by=user)

    at_once(clinic.app, (admin_id, take))
    critical_results.escalate_overdue()
    assert [each.what for each in events(scan_id)] == [CriticalStep.ACKNOWLEDGED]


def killed_at(monkeypatch: pytest.MonkeyPatch, moment: str) -> int:
    """The signal that ended a worker's process, which killed itself at this moment of its sweep."""
    db.session.remove()
    db.engine.dispose()  # no connection may belong to two processes
    if child := os.fork():
        return os.WTERMSIG(os.waitpid(child, 0)[1])
    try:
        kept, owe = critical_results._keep, critical_results.owe

        def keep(*args: Any, **more: Any) -> CriticalEvent:
            event = kept(*args, **more)
            if moment == "after the event":
                os.kill(os.getpid(), signal.SIGKILL)
            return event

        def owing(*args: Any) -> None:
            owe(*args)
            if moment == "between the mails":
                os.kill(os.getpid(), signal.SIGKILL)

        monkeypatch.setattr(critical_results, "_keep", keep)
        monkeypatch.setattr(critical_results, "owe", owing)
        critical_results.escalate_overdue()
        os.kill(os.getpid(), signal.SIGKILL)
    finally:
        os._exit(1)


@pytest.mark.both_databases
@pytest.mark.parametrize("moment", ["after the event", "between the mails", "after the commit"])
def test_a_worker_that_is_killed_has_told_everybody_or_nobody(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    clinic.person("admin"), clinic.person("admin")
    scan_id = critical_scan(clinic)
    marked_ago(scan_id, minutes=75)
    assert killed_at(monkeypatch, moment) == signal.SIGKILL
    assert len(events(scan_id)) == len(overdue_mails()) // 3 == (moment == "after the commit")
    deadline = time.monotonic() + 60
    while len(events(scan_id)) == 0:  # PostgreSQL frees a dead worker's lock within a moment
        assert time.monotonic() < deadline
        critical_results.escalate_overdue()
    assert critical_results.escalate_overdue() == 0
    assert [each.step for each in events(scan_id)] == [1]
    assert [role for role, _ in overdue_mails()] == ["admin", "admin", "doctor"]
    assert len({subject for _, subject in overdue_mails()}) == 1
