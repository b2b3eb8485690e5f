"""Transactions: explicit, never nested, all or nothing, and with SQLite's write lock from their beginning."""

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import StatementError

from csss.audit.models import AuditEvent
from csss.audit.record import coming_from, record
from csss.database import after_commit, db, transaction
from csss.errors import Counted, Invalid
from csss.people.models import User
from tests.factories import Clinic

pytestmark = pytest.mark.both_databases


def actions() -> list[str]:
    db.session.rollback()
    return [event.action for event in db.session.scalars(select(AuditEvent).order_by(AuditEvent.id))]


def test_all_of_it_is_kept_or_nothing(app: Flask) -> None:
    with transaction():
        record("one.kept")
    with pytest.raises(ZeroDivisionError), transaction():
        record("two.lost")
        db.session.flush()
        _ = 1 / 0
    with pytest.raises(Invalid), transaction():
        record("three.lost")
        raise Invalid(field="No.")
    assert actions() == ["one.kept"]


def test_a_refusal_that_counts_is_kept_and_still_raised(app: Flask) -> None:
    told: list[str] = []
    with pytest.raises(Counted) as refusal, transaction():
        record("wrong.code")
        after_commit(lambda: told.append("after"))
        raise Counted(code="This code is not right.")
    assert refusal.value.errors == {"code": "This code is not right."}
    assert actions() == ["wrong.code"]
    assert told == ["after"]


def test_transactions_do_not_nest(app: Flask) -> None:
    with pytest.raises(RuntimeError, match="do not nest"), transaction(), transaction():
        pass
    with transaction():  # the refusal has left nothing behind
        record("later.kept")
    assert actions() == ["later.kept"]


def test_a_change_outside_a_transaction_is_refused(app: Flask) -> None:
    with pytest.raises(RuntimeError, match=r"outside transaction\(\)"):
        record("stray.change")
    db.session.add(AuditEvent(action="stray.change", origin="here"))
    with pytest.raises(RuntimeError, match=r"outside transaction\(\)"):
        db.session.commit()
    assert actions() == []


def test_what_waits_for_the_commit_runs_after_it_and_never_without_it(app: Flask) -> None:
    seen: list[list[str]] = []
    with transaction():
        record("one.kept")
        after_commit(lambda: seen.append(actions()))
        assert seen == []
    assert seen == [["one.kept"]]
    with pytest.raises(ZeroDivisionError), transaction():
        after_commit(lambda: seen.append(["never"]))
        _ = 1 / 0
    assert len(seen) == 1
    with pytest.raises(RuntimeError, match=r"belongs inside transaction\(\)"):
        after_commit(lambda: None)


def test_what_was_read_before_is_read_again(clinic: Clinic) -> None:
    user = clinic.person("doctor")
    assert user.name == "Doctor 1"
    with db.engine.connect() as elsewhere:
        elsewhere.exec_driver_sql("UPDATE users SET name = 'Changed meanwhile'")
        elsewhere.commit()
    with transaction():
        assert user.name == "Changed meanwhile"


def test_many_writers_at_once_all_get_their_turn(clinic: Clinic) -> None:
    """A transaction that reads first and writes later would fail on SQLite with “database is locked”."""
    user_id = clinic.person("doctor").id
    db.session.remove()
    failures: list[BaseException] = []

    def write(number: int) -> None:
        with clinic.app.app_context():
            try:
                for _ in range(5):
                    with transaction():
                        user = db.session.get_one(User, user_id, with_for_update=True)
                        user.totp_last_step = (user.totp_last_step or 0) + 1
            except BaseException as error:
                failures.append(error)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    assert db.session.get_one(User, user_id).totp_last_step == 30


def test_times_are_aware_and_in_utc(clinic: Clinic) -> None:
    user = clinic.person("doctor")
    madras = timezone(timedelta(hours=5, minutes=30))
    with transaction():
        user.email_confirmed_at = datetime(2026, 11, 23, 14, 5, 6, 789, tzinfo=madras)
    assert user.email_confirmed_at == datetime(2026, 11, 23, 8, 35, 6, 789, tzinfo=UTC)
    assert user.email_confirmed_at.tzinfo is UTC
    with pytest.raises(StatementError, match="without a time zone"), transaction():
        user.email_confirmed_at = datetime(2026, 11, 23, 14, 5)  # noqa: DTZ001
    db.session.rollback()


def test_the_audit_log_tells_from_where(app: Flask) -> None:
    with coming_from("command line"), transaction():
        record("something.done")
    assert db.session.scalars(select(AuditEvent.origin)).one() == "command line"
