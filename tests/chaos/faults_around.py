"""What CSSS stands on and cannot help: Redis, the mail server, the database."""

import os
import signal
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import redis
import sqlalchemy as sa
from sqlalchemy import select

from csss.database import db
from csss.notices.models import MailMessage, MailState
from csss.outbox import Queue
from tests.chaos.failure import Failed
from tests.chaos.matrix import Run, fault
from tests.chaos.world import Chaos

AWAY = 6.0  # seconds


# Redis


@fault("redis-stopped", "Redis stopped for a while")
def redis_stopped(chaos: Chaos, _: int) -> list[float]:
    chaos.workers(Queue.INFERENCE, 1)
    chaos.stack.kill("redis")
    scan_id = chaos.scan()
    chaos.press_analyse(scan_id)  # pages go on
    chaos.says("doctor", f"/doctor/scans/{scan_id}", "The classifier is looking at the scan.")
    if chaos.readiness()["redis"] == "ok":
        raise Failed("/readyz tells nothing of Redis")
    time.sleep(AWAY)
    chaos.stack.start_redis()
    return [_well_again(chaos, [scan_id], time.monotonic())]


@fault("redis-hung", "Redis hangs for a while: it takes connections and says nothing")
def redis_hung(chaos: Chaos, _: int) -> list[float]:
    chaos.workers(Queue.INFERENCE, 1)
    scan_id = chaos.scan()
    pid = chaos.stack.processes["redis"].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        chaos.press_analyse(scan_id)
        chaos.says("doctor", f"/doctor/scans/{scan_id}", "The classifier is looking at the scan.")
        if chaos.readiness()["redis"] == "ok":
            raise Failed("/readyz tells nothing of Redis")
        time.sleep(AWAY)
    finally:
        os.kill(pid, signal.SIGCONT)
    return [_well_again(chaos, [scan_id], time.monotonic())]


@fault("redis-wiped", "Redis wiped while jobs wait in it")
def redis_wiped(chaos: Chaos, _: int) -> list[float]:
    return [_jobs_waiting(chaos, lambda: redis.Redis.from_url(chaos.stack.settings.redis_url).flushall())]


@fault("redis-restarted", "Redis killed while jobs wait in it, and restarted empty")
def redis_restarted(chaos: Chaos, _: int) -> list[float]:
    def restart() -> None:
        chaos.stack.kill("redis")
        chaos.stack.start_redis()

    return [_jobs_waiting(chaos, restart)]


def _jobs_waiting(chaos: Chaos, harm: Callable[[], object]) -> float:
    scans = [chaos.scan() for _ in range(3)]
    for name in [each for each in chaos.stack.processes if each.startswith("worker-inference-")]:
        chaos.kill(name)
    chaos.workers(Queue.INFERENCE, 1)
    with chaos.held("before-inference") as arrived:
        for scan_id in scans:
            chaos.press_analyse(scan_id)
        arrived()
        harm()
        began = time.monotonic()
    return _well_again(chaos, scans, began)


def _well_again(chaos: Chaos, scans: list[uuid.UUID], began: float) -> float:
    for scan_id in scans:
        chaos.wait(lambda scan_id=scan_id: chaos.analysed(scan_id), "a scan was never analysed")
    took = time.monotonic() - began
    chaos.check()
    return took


# The mail server


def _message(person: uuid.UUID) -> MailMessage:
    db.session.rollback()
    return db.session.scalars(select(MailMessage).where(MailMessage.user_id == person)).one()


def _sent(chaos: Chaos, people: list[uuid.UUID]) -> float:
    began = time.monotonic()
    for person in people:
        chaos.wait(lambda person=person: _message(person).state is MailState.SENT, "a mail was never sent")
    took = time.monotonic() - began
    chaos.check()
    return took


@fault("smtp-down", "mail server down for a while")
def smtp_down(chaos: Chaos, _: int) -> list[float]:
    chaos.stack.mailbox.stop()
    people = [chaos.clinic.person("doctor").id for _ in range(3)]
    chaos.wait(lambda: all(_message(each).last_error for each in people), "the mail was never tried")
    chaos.says("admin", "/admin/mail?state=queued", "Not sent yet, tried again")
    time.sleep(AWAY)
    chaos.stack.mailbox.start()
    return [_sent(chaos, people)]


def _in_a_mood(mood: str) -> Run:
    def run(chaos: Chaos, _: int) -> list[float]:
        chaos.stack.mailbox.mood = mood
        try:
            people = [chaos.clinic.person("doctor").id for _ in range(2)]
            if mood == "4xx":
                chaos.wait(lambda: _message(people[0]).last_error != "", "the mail was never tried")
                chaos.says("admin", "/admin/mail?state=queued", "Not sent yet, tried again")
            time.sleep(AWAY)
            if mood == "hang":
                chaos.says("admin", "/admin/mail?state=sending", "Being sent")
                chaos.wait(lambda: _message(people[0]).last_error != "", "a sending hangs for ever")
        finally:
            chaos.stack.mailbox.mood = "ok"
        return [_sent(chaos, people)]

    return run


fault("smtp-4xx", "mail server answers 4xx for a while")(_in_a_mood("4xx"))
fault("smtp-hang", "mail server hangs")(_in_a_mood("hang"))


@fault("smtp-5xx", "mail server answers 5xx: told at once, sent when an administrator says so")
def smtp_5xx(chaos: Chaos, _: int) -> list[float]:
    chaos.stack.mailbox.mood = "5xx"
    try:
        person = chaos.clinic.person("doctor").id
        told = chaos.wait(lambda: _message(person).state is MailState.FAILED, "the refusal is never told")
        chaos.says("admin", "/admin/mail?state=failed", "550: no such person")
    finally:
        chaos.stack.mailbox.mood = "ok"
    status, _text = chaos.browser("admin").post(f"/admin/mail/{_message(person).id}/again")
    if status != 303:
        raise Failed(f"sending again answered {status}")
    return [max(told, _sent(chaos, [person]))]


@fault("smtp-drop", "mail server accepts a message and the line breaks (may repeat, marked)")
def smtp_drop(chaos: Chaos, _: int) -> list[float]:
    chaos.stack.mailbox.mood = "drop"
    try:
        person = chaos.clinic.person("doctor").id
        chaos.repeated.add(_message(person).message_id)
        chaos.wait(lambda: _message(person).last_error != "", "the mail was never tried")
    finally:
        chaos.stack.mailbox.mood = "ok"
    return [_sent(chaos, [person])]


# The database


@contextmanager
def _locked(chaos: Chaos) -> Iterator[None]:
    """Another writer holds the database."""
    if chaos.database == "sqlite":
        other = sqlite3.connect(chaos.stack.folder / "csss.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")
            other.close()
        return
    engine = sa.create_engine(chaos.stack.settings.database)
    with engine.connect() as connection:
        connection.exec_driver_sql("LOCK TABLE outbox, mail_messages, scans, user_sessions IN EXCLUSIVE MODE")
        yield
        connection.rollback()
    engine.dispose()


@fault(
    "database-locked", "database locked for 10 s: while a job is done, a mail is sent, a button is pressed"
)
def database_locked(chaos: Chaos, _: int) -> list[float]:
    scan_id, pressed = chaos.scan(), chaos.scan()
    chaos.workers(Queue.INFERENCE, 1)
    chaos.browser("doctor").token()
    with (
        ThreadPoolExecutor(1) as pool,
        chaos.held("after-inference") as arrived,
        chaos.held("mail-accepted") as accepted,
    ):
        person = chaos.clinic.person("doctor").id
        chaos.start_analysis(scan_id)
        arrived()
        accepted()
        with _locked(chaos):
            (chaos.control / "hold" / "after-inference").unlink()
            (chaos.control / "hold" / "mail-accepted").unlink()
            answer = pool.submit(chaos.browser("doctor").post, f"/doctor/scans/{pressed}/analyze")
            time.sleep(10)
        began = time.monotonic()
        status, text = answer.result()
    if status not in {303, 503} or (status == 503 and "The database does not answer" not in text):
        raise Failed(f"the button answered {status}")
    if status == 503:
        chaos.press_analyse(pressed)
    for each in (scan_id, pressed):
        chaos.wait(lambda each=each: chaos.analysed(each), "a scan was never analysed")
    chaos.wait(lambda: _message(person).state is MailState.SENT, "a mail was never kept as sent")
    took = time.monotonic() - began
    chaos.check()
    return [took]


def _drop_connections(chaos: Chaos) -> None:
    engine = sa.create_engine(chaos.stack.settings.database, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    engine.dispose()


@fault(
    "connection-dropped",
    "connections dropped in a transaction: a job's and a page's",
    databases=("postgresql",),
)
def connection_dropped(chaos: Chaos, _: int) -> list[float]:
    scan_id = chaos.scan()
    patient = chaos.clinic.person("patient").id
    browser = chaos.new_browser_of(patient)
    picture = chaos.picture()
    browser.token()
    chaos.workers(Queue.INFERENCE, 1)
    with (
        ThreadPoolExecutor(1) as pool,
        chaos.held("keeping-result") as arrived,
        chaos.held("upload-submitted") as submitted,
    ):
        chaos.start_analysis(scan_id)
        answer = pool.submit(chaos.upload, browser, picture)
        arrived()
        submitted()
        db.session.remove()
        _drop_connections(chaos)
        began = time.monotonic()
        for point in ("keeping-result", "upload-submitted"):
            (chaos.control / "hold" / point).unlink()
        status, text = answer.result()
    if status != 503 or "The database does not answer" not in text:
        raise Failed(f"the upload answered {status}")
    if chaos.upload(browser, picture)[0] != 303:
        raise Failed("the upload was refused afterwards")
    chaos.wait(lambda: chaos.analysed(scan_id), "a scan was never analysed")
    took = time.monotonic() - began
    if chaos.scans_of(patient) != 1:
        raise Failed(f"the patient has {chaos.scans_of(patient)} scans")
    chaos.check()
    return [took]
