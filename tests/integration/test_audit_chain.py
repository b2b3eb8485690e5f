"""The audit log tells of tampering: every change, gap and removal is found and told in a sentence."""

import json
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from flask import Flask
from flask_migrate import downgrade, upgrade

from csss.audit import anchors, chain
from csss.audit.models import AuditEvent, AuditSeal
from csss.audit.record import About, coming_from, record, record_once
from csss.audit.verify import verify
from csss.cli import main
from csss.clock import now
from csss.database import db, transaction
from csss.demo.run import environment
from csss.keys.change import go_on_without_old_key
from csss.scans.states import Status
from tests.factories import Clinic

EVENTS = 8


def write(count: int = EVENTS) -> None:
    for number in range(count):
        with transaction():
            record("scan.viewed", About("scan", "a"), number=number)


def problems(kept: list[anchors.Anchor] | None = None, key: str = "") -> list[str]:
    db.session.rollback()
    keys = [chain.Key(key)] if key else [chain.current_key()]
    return verify(keys, kept or []).problems


def tamper(*statements: str) -> None:
    """As somebody with the database's own console: the triggers go first."""
    db.session.rollback()
    with db.engine.begin() as connection:
        for table in ("audit_events", "audit_seals"):
            if connection.dialect.name == "sqlite":
                for verb in ("update", "delete"):
                    connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {table}_no_{verb}")
            else:
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            connection.exec_driver_sql(statement)


@pytest.mark.both_databases
def test_every_event_of_a_scans_life_is_sealed_and_the_chain_is_whole(clinic: Clinic) -> None:
    clinic.scan(Status.REPORT_READY)
    clinic.run_jobs()
    events, seals = (
        db.session.scalar(sa.select(sa.func.count()).select_from(each)) for each in (AuditEvent, AuditSeal)
    )
    assert events == seals > 10
    assert db.session.scalars(sa.select(AuditSeal.number).order_by(AuditSeal.number)).all() == list(
        range(1, seals + 1)
    )
    assert problems() == []


@pytest.mark.both_databases
def test_a_seal_is_kept_exactly_when_its_event_is(app: Flask) -> None:
    write(1)
    with pytest.raises(ZeroDivisionError), transaction():
        record("scan.viewed")
        raise ZeroDivisionError
    with transaction():
        with pytest.raises(ZeroDivisionError), db.session.begin_nested():
            record("scan.viewed")
            raise ZeroDivisionError
        record("scan.closed")
        record("scan.held")
    assert [each.action for each in db.session.scalars(sa.select(AuditEvent).order_by(AuditEvent.id))] == [
        "scan.viewed",
        "scan.closed",
        "scan.held",
    ]
    assert chain.head().number == 3 and problems() == []


THIRD = "(SELECT event_id FROM audit_seals WHERE number = 3)"
CHANGES: dict[str, tuple[list[str], list[str]]] = {
    "a detail": (
        [f"UPDATE audit_events SET detail = '{{}}' WHERE id = {THIRD}"],
        ["Event 3 (scan.viewed"],
    ),
    "a time": (
        [f"UPDATE audit_events SET at = '2020-01-01 00:00:00' WHERE id = {THIRD}"],
        ["Event 3 (scan.viewed, 2020-01-01"],
    ),
    "an event removed": (
        [
            f"CREATE TABLE gone AS SELECT {THIRD} AS id",
            "DELETE FROM audit_seals WHERE number = 3",
            "DELETE FROM audit_events WHERE id IN (SELECT id FROM gone)",
        ],
        ["Event 3 is missing", "Event 4 (scan.viewed"],
    ),
    "the first events removed": (
        [
            "CREATE TABLE gone AS SELECT event_id AS id FROM audit_seals WHERE number < 3",
            "DELETE FROM audit_seals WHERE number < 3",
            "DELETE FROM audit_events WHERE id IN (SELECT id FROM gone)",
        ],
        ["Events 1 to 2 are missing", "Event 3 (scan.viewed"],
    ),
    "a seal removed": (["DELETE FROM audit_seals WHERE number = 8"], ["has no seal"]),
    "two events in each other's place": (
        [
            "UPDATE audit_events SET detail = '{\"number\": 2}' WHERE id = 2",
            "UPDATE audit_events SET detail = '{\"number\": 1}' WHERE id = 3",
        ],
        ["Event 2 (scan.viewed", "Event 3 (scan.viewed"],
    ),
    "an event put in": (
        [
            "INSERT INTO audit_events (id, at, action, actor_role, subject_type, subject_id, origin, detail) "
            "SELECT max(id) + 1, max(at), 'scan.closed', '', '', '', 'here', '{}' FROM audit_events"
        ],
        ["(scan.closed"],
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_somebody_does_past_the_application_is_found(app: Flask, what: str) -> None:
    write()
    statements, told = CHANGES[what]
    tamper(*statements)
    found = problems()
    assert len(found) == len(told), found
    for sentence, part in zip(found, told, strict=True):
        assert part in sentence and sentence.endswith((".", ")."))


def forge(number: int, secret: str) -> None:
    """Rewrite the log from `number` on without a gap, as somebody would who has read this code."""
    tamper(f"UPDATE audit_events SET action = 'scan.closed' WHERE id = {number}")
    key, before = chain.Key(secret), chain.BEGINNING
    events, seals = AuditEvent.__table__, AuditSeal.__table__
    with db.engine.begin() as connection:
        for row in connection.execute(sa.select(events).order_by(events.c.id)).all():
            before = chain.link(before, chain.canonical(row.id, row))
            if row.id >= number:
                values = {"hash": before, "mac": key.sign(before)}
                connection.execute(sa.update(seals).where(seals.c.number == row.id).values(values))


def test_a_log_written_anew_without_the_secret_key_is_found(app: Flask) -> None:
    write()
    forge(7, "a key that was guessed and is wrong, of course")
    assert problems() == [
        f"The seal of event {number} was made by somebody without the secret key." for number in (7, 8)
    ]


def test_even_with_the_key_an_anchor_tells_of_a_log_written_anew(app: Flask) -> None:
    write()
    anchors.keep(chain.head())
    forge(7, app.config["SECRET_KEY"])
    assert problems() == []
    (told,) = problems(anchors.kept(anchors.path()))
    assert told.startswith("Event 8 had another seal on")


def test_a_removed_end_is_found_by_the_anchor_outside_the_database(app: Flask) -> None:
    write()
    anchors.keep(chain.head())
    tamper(
        "CREATE TABLE gone AS SELECT event_id FROM audit_seals WHERE number > 6",
        "DELETE FROM audit_seals WHERE number > 6",
        "DELETE FROM audit_events WHERE id IN (SELECT event_id FROM gone)",
    )
    assert problems() == []  # the database alone cannot tell
    (told,) = problems(anchors.kept(anchors.path()))
    assert told.startswith("The log ends with event 6, but on") and "it reached event 8" in told


def test_anchors_are_kept_now_and_then_and_only_when_there_is_something_new(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchors.keep_now_and_then()
    assert anchors.kept(anchors.path()) == []
    write(2)
    for _ in range(3):
        anchors.keep_now_and_then()
    assert [each.number for each in anchors.kept(anchors.path())] == [2]
    assert anchors.path().stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(anchors, "EVERY_SECONDS", -1)
    anchors.keep_now_and_then()
    write(1)
    anchors.keep_now_and_then()
    with anchors.path().open("a") as file:
        file.write('{"number": 4, "ha')  # a power cut
    assert [each.number for each in anchors.kept(anchors.path())] == [2, 3]


def test_where_the_old_key_was_lost_it_is_asked_for(app: Flask) -> None:
    write(2)
    earlier, app.config["SECRET_KEY"] = app.config["SECRET_KEY"], "another key that is long enough as well"
    with transaction():
        go_on_without_old_key()
    write(2)
    (told,) = problems()
    assert "2 events, from event 1 to event 2" in told and "--key-file" in told
    db.session.rollback()
    assert verify([chain.current_key(), chain.Key(earlier)]).intact


@pytest.mark.both_databases
def test_many_who_write_at_once_make_one_chain_and_never_wait_for_each_other_in_a_ring(
    app: Flask, clinic: Clinic
) -> None:
    """Each locks a person's row, lets others begin, and records about persons whom others have locked."""
    people = [clinic.person("patient").id for _ in range(4)]
    threads, each = 6, 8
    failed: list[BaseException] = []
    before = chain.head().number
    db.session.remove()

    def act(who: int) -> None:
        from csss.people.models import User

        try:
            with app.app_context(), coming_from(f"10.0.0.{who}"):
                for step in range(each):
                    mine = people[(who + step) % len(people)]
                    with transaction():
                        user = db.session.get_one(User, mine, with_for_update=True)
                        record("account.profile_changed", user, by=user)
                        db.session.flush()
                        record("account.profile_changed", user, by=user, again=True)
                db.session.remove()
        except BaseException as error:
            failed.append(error)

    running = [threading.Thread(target=act, args=(who,)) for who in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(60)
    assert failed == []
    assert chain.head().number - before == threads * each * 2
    assert problems() == []


@pytest.mark.both_databases
def test_the_migration_seals_what_an_earlier_release_has_written(app: Flask, clinic: Clinic) -> None:
    clinic.scan(Status.AI_ANALYZED)
    count = chain.head().number
    db.session.remove()
    db.engine.dispose()
    downgrade(revision="0010")
    upgrade()
    db.engine.dispose()
    assert chain.head().number == count
    assert problems() == []
    write(1)
    assert problems() == []


def test_events_of_the_earlier_release_are_sealed_when_an_administrator_says_so(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(2)
    with transaction():
        db.session.add(AuditEvent(action="session.began", origin="10.0.0.1"))
    assert len(problems()) == 1
    told = command(app, monkeypatch, "seal")
    assert "1 events were sealed now" in told.output
    assert problems() == []
    newest = db.session.scalars(sa.select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert newest is not None and (newest.action, newest.detail["count"]) == ("audit.sealed_late", 1)


def command(app: Flask, monkeypatch: pytest.MonkeyPatch, *arguments: str):
    db.session.remove()
    for name, value in environment(app.config["CSSS"]).items():
        monkeypatch.setenv(name, value)
    return CliRunner().invoke(main, ["audit", *arguments])


@pytest.mark.both_databases
def test_the_command_says_which_event_is_wrong_and_ends_with_1(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    fine = command(app, monkeypatch, "verify")
    assert fine.exit_code == 0 and f"All {EVENTS} events are as they were sealed" in fine.output
    head = fine.output.split()[-1]
    assert command(app, monkeypatch, "verify", "--expect", head).exit_code == 0
    another = head[:-1] + ("0" if head[-1] != "0" else "1")
    assert command(app, monkeypatch, "verify", "--expect", another).exit_code == 1
    assert command(app, monkeypatch, "verify", "--expect", "nonsense").exit_code == 2
    tamper(*CHANGES["a detail"][0])
    wrong = command(app, monkeypatch, "verify")
    assert wrong.exit_code == 1 and "Event 3 (scan.viewed" in wrong.output
    kept = db.session.scalars(sa.select(AuditEvent).where(AuditEvent.action == "audit.verified")).all()
    assert [each.detail["problems"] for each in kept] == [0, 0, 1, 1]


def test_the_export_can_be_checked_by_anybody_without_the_application(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    write()
    told = command(app, monkeypatch, "export")
    lines = [json.loads(line) for line in told.output.splitlines()]
    assert [line["number"] for line in lines] == list(range(1, EVENTS + 2))  # and that it was exported
    before = "0" * 64
    for line in lines:
        content = {
            "number": line["number"],
            "event": line["id"],
            "actor": line["actor_id"],
            "role": line["actor_role"],
            "subject": line["subject_id"],
            **{name: line[name] for name in ("at", "action", "subject_type", "origin", "detail")},
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        before = hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()
        assert before == line["hash"]
    nothing = command(app, monkeypatch, "export", "--since", "2999-01-01")
    assert nothing.output == ""


def test_the_same_again_is_kept_once_within_its_time(app: Flask, clinic: Clinic) -> None:
    from datetime import timedelta

    from csss.clock import pretending

    doctor, hour = clinic.person("doctor"), timedelta(hours=1)
    begin = now()

    def look(
        scan: str = "a", action: str = "scan.viewed", place: str = "10.0.0.1", by: object = doctor
    ) -> None:
        with coming_from(place):
            record_once(action, About("scan", scan), by=by, within=hour)  # type: ignore[arg-type]

    def count() -> int:
        query = sa.select(sa.func.count()).where(AuditEvent.action.like("scan.%viewed"))
        return db.session.scalar(query) or 0

    look(), look()
    assert count() == 1
    look("b"), look(place="10.0.0.2"), look(action="scan.image_viewed"), look(by=None), look(by=None)
    assert count() == 5
    with pretending(begin + hour + timedelta(seconds=5)):
        look()
    assert count() == 6 and problems() == []


def test_key_files_of_commands_are_read(app: Flask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write(1)
    earlier = tmp_path / "earlier-key"
    earlier.write_text(app.config["SECRET_KEY"] + "\n")
    app.config["SECRET_KEY"] = "a key of later, which is long enough too"
    with transaction():
        go_on_without_old_key()
    monkeypatch.setattr(
        app.config["CSSS"].__class__, "secret", lambda self: "a key of later, which is long enough too"
    )
    assert command(app, monkeypatch, "verify").exit_code == 1
    assert command(app, monkeypatch, "verify", "--key-file", str(earlier)).exit_code == 0
