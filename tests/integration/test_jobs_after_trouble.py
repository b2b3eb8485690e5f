"""What comes back by itself: rows after the clock was set back, pauses that need not be waited out, a database that was
locked, and files that nobody names."""

import errno
import os
import sqlite3
import threading
import time
import uuid
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from flask import current_app
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from csss.clock import now, pretending
from csss.database import db, transaction
from csss.jobs import database_retry, leases, orphans, report_jobs, runner
from csss.jobs.database_retry import stubbornly
from csss.jobs.early_retry import wake
from csss.jobs.sweeper import _lost_perhaps, _mend_leases
from csss.notices.channels import email
from csss.notices.models import MailMessage, MailState
from csss.outbox import OutboxJob, Queue
from csss.scans import previews
from csss.scans.models import Scan
from csss.scans.states import Status
from csss.storage.files import storage
from tests.factories import Clinic, picture
from tests.integration.jobs import change, rows
from tests.stack import eventually

HOUR = timedelta(hours=1)


def lost(queue: Queue = Queue.MAIL) -> list[uuid.UUID]:
    """What a sweep would hand over again now."""
    _mend_leases(queue, now())
    found = list(db.session.scalars(_lost_perhaps(queue, now())))
    db.session.rollback()
    return found


# The clock steps back an hour


@pytest.mark.both_databases
def test_what_was_owed_before_the_clock_stepped_back_is_done_at_once(clinic: Clinic) -> None:
    with pretending(now() + HOUR):
        clinic.person("doctor")
    (row,) = rows("send_mail")
    assert lost() == [row.id]


@pytest.mark.both_databases
def test_a_pause_that_began_before_the_clock_stepped_back_is_over(clinic: Clinic) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    change(row, attempts=3, handed_at=now() + HOUR, due_at=now() + HOUR + timedelta(seconds=8))
    assert lost() == [row.id]
    change(row, handed_at=now(), due_at=now() + timedelta(seconds=8))  # an ordinary pause is waited out
    assert lost() == []


@pytest.mark.both_databases
def test_a_lease_from_before_the_clock_stepped_back_ends_soon_and_not_at_once(clinic: Clinic) -> None:
    """A living worker renews it within seconds; a dead one must not keep the row for an hour."""
    clinic.person("doctor")
    (row,) = rows("send_mail")
    change(row, attempts=1, leased_until=now() + HOUR, due_at=now() - HOUR)
    assert lost() == []
    ends = rows()[0].leased_until
    assert ends is not None and now() < ends <= now() + leases.LEASE
    change(row, leased_until=now() - timedelta(milliseconds=1))
    assert lost() == [row.id]


# Pauses


@pytest.mark.both_databases
def test_when_the_trouble_is_over_only_what_had_that_trouble_waits_no_longer(clinic: Clinic) -> None:
    for _ in range(2):
        clinic.person("doctor")
    away, greylisted = rows("send_mail")
    later = now() + timedelta(minutes=9)
    change(away, attempts=9, due_at=later, last_error="NoLineError: No line to the mail server: refused")
    change(greylisted, attempts=9, due_at=later, last_error="NotTakenError: 451 greylisted")
    assert wake("send_mail", "NoLineError", lambda: False) == 0
    assert wake("send_mail", "NoLineError", lambda: True) == 1
    assert lost() == [away.id]


def test_nobody_asks_whether_the_trouble_is_over_when_nothing_waits_for_it(clinic: Clinic) -> None:
    def ask() -> bool:
        raise AssertionError("the mail server was bothered")

    clinic.person("doctor")
    assert wake("send_mail", "NoLineError", ask) == 0


def test_a_report_waits_for_room_and_goes_on_when_there_is_some(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.scan(Status.REPORT_READY)
    (row,) = rows("render_report")

    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(type(storage()), "put", full)
        runner.perform(row.id)
    change(row, due_at=now() + timedelta(minutes=9))
    report_jobs.between_jobs()
    assert lost(Queue.REPORTS) == [row.id]


# The database


def test_what_the_mail_server_took_is_kept_although_the_database_is_locked(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A real lock by another writer, with a shorter patience of ours than in life."""
    clinic.person("doctor")
    (message,) = db.session.query(MailMessage)
    (row,) = rows("send_mail")
    monkeypatch.setattr(database_retry, "PAUSE_SECONDS", 0.05)
    locked = threading.Event()

    def lock() -> None:
        other = sqlite3.connect(clinic.app.config["CSSS"].instance_folder / "csss.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        locked.set()
        with suppress(AssertionError):  # the test itself says what was missing
            eventually(lambda: "could not be stored yet" in caplog.text, 10, 0.01)
        other.execute("ROLLBACK")
        other.close()

    thread = threading.Thread(target=lock)
    send = email.send

    def send_and_lose_the_database(message: object) -> None:
        send(message)  # type: ignore[arg-type]
        thread.start()
        locked.wait(5)
        db.session.connection().exec_driver_sql("PRAGMA busy_timeout = 10")
        db.session.commit()

    monkeypatch.setattr(email, "send", send_and_lose_the_database)
    runner.perform(row.id)
    thread.join()
    db.session.rollback()
    assert "could not be stored yet" in caplog.text
    assert (message.state, message.attempts, message.maybe_repeated) == (MailState.SENT, 1, False)
    assert len(clinic.mail) == 1


def test_patience_with_the_database_ends(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_retry, "PATIENCE_SECONDS", 0.0)

    def never() -> None:
        raise DBAPIError("", {}, Exception("locked"))

    with pytest.raises(DBAPIError):
        stubbornly(never)


# Files that no row names


def age(key: str, by: timedelta = timedelta(days=2)) -> Path:
    path: Path = current_app.config["CSSS"].storage_folder / key
    os.utime(path, (time.time() - by.total_seconds(),) * 2)
    return path


def looked(times: int) -> int:
    sweep = orphans.OrphanSweep()
    return sum(sweep.look_at(shard) for _ in range(times) for shard in range(orphans.SHARDS))


@pytest.mark.both_databases
def test_a_file_that_no_row_names_goes_after_a_day_and_a_second_look(clinic: Clinic) -> None:
    kept = storage()
    forgotten = [age(kept.put(area, "png", b"x")) for area in ("scans", "heatmaps", "reports", "previews")]
    broken_off = forgotten[0].with_suffix(".0123abcd.partial")
    broken_off.write_bytes(b"half")
    os.utime(broken_off, (0, 0))
    young = age(kept.put("scans", "png", b"x"), timedelta(hours=23))
    assert looked(1) == 0
    assert all(path.exists() for path in (*forgotten, broken_off))
    assert looked(2) == 5
    assert not any(path.exists() for path in (*forgotten, broken_off))
    assert young.exists()


@pytest.mark.both_databases
def test_a_file_that_a_row_names_stays(clinic: Clinic) -> None:
    scan_id = clinic.scan(Status.REPORT_READY, image=picture(200, 200)).id
    clinic.run_jobs("render_report")
    file_key = db.session.get_one(Scan, scan_id).file_key
    for size in previews.SIZES.values():
        previews.small(file_key, size)
    folder = clinic.app.config["CSSS"].storage_folder
    files = [path for path in folder.rglob("*") if path.is_file()]
    areas = {path.relative_to(folder).parts[0] for path in files}
    assert areas == {"scans", "heatmaps", "reports", "previews", "thumbnails"}
    for path in files:
        os.utime(path, (0, 0))
    assert looked(3) == 0
    assert all(path.exists() for path in files)


def test_the_round_goes_slowly(clinic: Clinic) -> None:
    at = [0.0]
    sweep = orphans.OrphanSweep(clock=lambda: at[0])
    first = sweep._next
    sweep.go_on()
    sweep.go_on()
    assert sweep._next == (first + 1) % orphans.SHARDS
    at[0] += orphans.EVERY_SECONDS
    sweep.go_on()
    assert sweep._next == (first + 2) % orphans.SHARDS


def test_a_worker_that_was_killed_is_replaced_by_its_own_row_only(clinic: Clinic) -> None:
    """Whoever lost the row meanwhile renews nothing."""
    clinic.person("doctor")
    (row,) = rows("send_mail")
    change(row, attempts=2, leased_until=now() + timedelta(seconds=9))
    until = rows()[0].leased_until
    assert leases.Renewing(row.id, 1, Queue.MAIL)._still_mine() is False
    assert rows()[0].leased_until == until
    with transaction():
        db.session.execute(update(OutboxJob).values(done_at=now()))
    assert leases.Renewing(row.id, 2, Queue.MAIL)._still_mine() is False
