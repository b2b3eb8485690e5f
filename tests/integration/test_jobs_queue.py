"""Work goes through a real Redis to real workers, and comes back from whatever is lost on that way."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import IO

import pytest
import redis
from flask import Flask
from rq import Worker

from csss.clock import now
from csss.database import db, transaction
from csss.demo.redis import NoRedisError, redis_command
from csss.demo.run import environment
from csss.jobs import queues, runner
from csss.jobs.queues import TIMEOUT, connect, hand_over, init_jobs, rq_queue, waiting_rows
from csss.jobs.sweeper import GRACE, sweep
from csss.notices.models import MailMessage
from csss.outbox import Queue
from csss.scans import analysis
from csss.scans.models import Prediction, Scan
from csss.scans.states import RunState, Status
from csss.web.health import workers
from tests.conftest import IN_CI
from tests.factories import Clinic, picture
from tests.integration.jobs import change, count, needs_model, rows, start_analysis
from tests.stack import eventually

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """A Redis of our own. Skips where there is none, except in CI."""
    with tempfile.TemporaryDirectory(prefix="csss-redis-") as folder:
        socket = Path(folder) / "redis.sock"
        try:
            command = redis_command(socket)
        except NoRedisError as error:
            if IN_CI:
                raise
            pytest.skip(f"{error} The queues are not tested.")
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            eventually(socket.exists)
            yield f"unix://{socket}"
        finally:
            server.terminate()
            server.wait(10)


@pytest.fixture
def queue_server(app: Flask, redis_url: str) -> redis.Redis:
    """The app hands its jobs over to this empty Redis."""
    app.config["CSSS"] = replace(app.config["CSSS"], redis_url=redis_url)
    init_jobs(app)
    client = redis.Redis.from_url(redis_url)
    client.flushall()
    return client


# Redis


def test_a_row_is_handed_over_right_after_the_commit(clinic: Clinic, queue_server: redis.Redis) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    assert waiting_rows(Queue.MAIL, queue_server) == {str(row.id)}


def test_nothing_is_handed_over_before_or_without_the_commit(
    clinic: Clinic, queue_server: redis.Redis
) -> None:
    doctor = clinic.person("doctor")
    scan_id = clinic.scan().id
    with pytest.raises(ZeroDivisionError), transaction():
        analysis.start(scan_id, by=doctor)
        assert waiting_rows(Queue.INFERENCE, queue_server) == set()
        _ = 1 / 0
    assert waiting_rows(Queue.INFERENCE, queue_server) == set()
    assert rows("analyse_scan") == []


def test_redis_holds_json_and_nothing_but_ids(clinic: Clinic, queue_server: redis.Redis) -> None:
    doctor = clinic.person("doctor", name="Distinctive Name")
    scan_id = clinic.scan(indication="Distinctive indication").id
    with transaction():
        analysis.start(scan_id, by=doctor)
    everything = b""
    jobs = 0
    for key in queue_server.scan_iter("*"):
        kind = queue_server.type(key)
        if kind == b"hash":
            fields: dict[bytes, bytes] = queue_server.hgetall(key)  # type: ignore[assignment]
            data = zlib.decompress(fields.pop(b"data"))
            name, instance, args, kwargs = json.loads(data)  # JSON, never a pickle
            assert (name, instance, kwargs) == (queues.PERFORM, None, {})
            assert [len(each) for each in args] == [36]
            jobs += 1
            everything += data + b" ".join(fields.values())
        elif kind == b"list":
            everything += b" ".join(queue_server.lrange(key, 0, -1))  # type: ignore[arg-type]
    assert jobs == len(rows())
    for told in (b"Distinctive", b"csss.example", doctor.email.encode(), b"\x80\x04", b"\x80\x05"):
        assert told not in everything


def test_every_hand_over_states_how_long_and_keeps_no_result(
    clinic: Clinic, queue_server: redis.Redis
) -> None:
    clinic.person("doctor")
    (job,) = rq_queue(Queue.MAIL, queue_server).get_jobs()
    assert (job.timeout, job.result_ttl, job.failure_ttl) == (TIMEOUT[Queue.MAIL], 0, 300)


@pytest.mark.both_databases
def test_the_sweeper_hands_over_what_was_lost(clinic: Clinic, queue_server: redis.Redis) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    queue_server.flushall()
    assert sweep(queue_server) == 0  # it may still be on its way
    change(row, due_at=now() - GRACE - timedelta(seconds=1))
    assert sweep(queue_server) == 1
    assert waiting_rows(Queue.MAIL, queue_server) == {str(row.id)}
    assert sweep(queue_server) == 0


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"leased_until": timedelta(seconds=30)}, id="in a worker's hands"),
        pytest.param({"due_at": timedelta(seconds=30)}, id="not due"),
        pytest.param({"done_at": timedelta()}, id="done"),
        pytest.param({"failed_at": timedelta()}, id="given up"),
        pytest.param({"handed_at": timedelta(seconds=-3)}, id="just handed over"),
    ],
)
def test_the_sweeper_leaves_alone(
    clinic: Clinic, queue_server: redis.Redis, values: dict[str, timedelta]
) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    queue_server.flushall()
    change(row, due_at=now() - timedelta(minutes=1))
    change(row, **{name: now() + away for name, away in values.items()})
    assert sweep(queue_server) == 0
    assert waiting_rows(Queue.MAIL, queue_server) == set()


def test_the_sweeper_leaves_alone_what_is_queued(clinic: Clinic, queue_server: redis.Redis) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    change(row, due_at=now() - timedelta(hours=1))
    assert sweep(queue_server) == 0
    assert len(rq_queue(Queue.MAIL, queue_server)) == 1


def test_after_a_failure_the_sweeper_waits_for_the_pause_and_no_longer(
    clinic: Clinic, queue_server: redis.Redis
) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    queue_server.flushall()
    change(row, attempts=1, handed_at=now() - timedelta(seconds=3), due_at=now() + timedelta(minutes=1))
    assert sweep(queue_server) == 0
    change(row, due_at=now() - timedelta(milliseconds=1))
    assert sweep(queue_server) == 1


def test_a_row_of_a_dead_worker_is_handed_over_as_soon_as_its_lease_ends(
    clinic: Clinic, queue_server: redis.Redis
) -> None:
    start_analysis(clinic)
    (row,) = rows("analyse_scan")
    queue_server.flushall()
    change(
        row, attempts=1, leased_until=now() - timedelta(milliseconds=1), due_at=now() - timedelta(seconds=16)
    )
    assert sweep(queue_server) >= 1
    assert str(row.id) in waiting_rows(Queue.INFERENCE, queue_server)


def test_a_pile_in_one_queue_does_not_hide_what_was_lost_in_another(
    clinic: Clinic, queue_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No mail worker runs, its queue is full: an analysis that was lost is still handed over."""
    monkeypatch.setattr("csss.jobs.sweeper.BATCH", 3)
    for _ in range(4):
        clinic.person("doctor")
    for row in rows("send_mail"):
        change(row, due_at=now() - timedelta(hours=1))
    start_analysis(clinic)
    (lost,) = rows("analyse_scan")
    rq_queue(Queue.INFERENCE, queue_server).empty()
    change(lost, due_at=now() - timedelta(minutes=1))
    assert sweep(queue_server) == 1
    assert waiting_rows(Queue.INFERENCE, queue_server) == {str(lost.id)}


def test_two_sweepers_at_once_do_no_harm(clinic: Clinic, queue_server: redis.Redis) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    hand_over(row.id, Queue.MAIL, queue_server)
    assert len(rq_queue(Queue.MAIL, queue_server)) == 2
    for job in rq_queue(Queue.MAIL, queue_server).get_jobs():
        runner.perform(uuid.UUID(job.args[0]))
    assert len(clinic.mail) == 1


def test_while_redis_is_away_pages_go_on_and_nothing_is_lost(clinic: Clinic) -> None:
    """Nothing listens at the address of the tests' Redis."""
    clinic.person("doctor")
    (row,) = rows("send_mail")
    assert row.handed_at is None and row.done_at is None
    with pytest.raises(redis.RedisError):
        change(row, due_at=now() - timedelta(minutes=1))
        sweep(connect(clinic.app.config["CSSS"].redis_url))


# Real workers


def worker(
    app: Flask, queue: Queue, code: str = "", *, burst: bool = True, output: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """A worker process of this app's queue; `code` is run in it first."""
    script = f"""
        from csss import create_app
        from csss.jobs.worker import work
        from csss.outbox import Queue
        {{code}}
        work(create_app(), Queue.{queue.name}, burst={burst})
    """
    script = textwrap.dedent(script).replace("{code}", textwrap.dedent(code))
    return subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, **environment(app.config["CSSS"])},
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


def run_worker(app: Flask, queue: Queue) -> None:
    process = worker(app, queue)
    try:
        assert process.wait(120) == 0
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


@needs_model
@pytest.mark.slow
def test_real_workers_do_what_is_owed(clinic: Clinic, queue_server: redis.Redis) -> None:
    scan, run = start_analysis(clinic, image=picture(600, 500))
    run_worker(clinic.app, Queue.INFERENCE)
    run_worker(clinic.app, Queue.MAIL)
    db.session.rollback()
    assert (scan.status, run.state) == (Status.AI_ANALYZED, RunState.DONE)
    assert scan.prediction is not None and scan.prediction.model_version != ""
    assert scan.events[-1].origin == "worker"
    assert len(clinic.mail) == count(MailMessage)
    assert all(row.done_at for row in rows())


@needs_model
@pytest.mark.slow
def test_redis_comes_back_empty_and_everything_is_done_all_the_same(
    clinic: Clinic, queue_server: redis.Redis
) -> None:
    scan, _ = start_analysis(clinic)
    queue_server.flushall()
    for row in rows():
        change(row, due_at=now() - timedelta(minutes=1))
    run_worker(clinic.app, Queue.MAIL)  # any worker sweeps for all
    run_worker(clinic.app, Queue.INFERENCE)
    run_worker(clinic.app, Queue.MAIL)
    db.session.rollback()
    assert scan.status is Status.AI_ANALYZED
    assert all(row.done_at for row in rows())
    assert len(clinic.mail) == count(MailMessage)


SLOW_CLASSIFIER = """
from pathlib import Path
import os, time
from csss.inference.engine import Engine
from csss.inference.preprocessing import blank
predict = Engine.predict
def slowly(self, image):
    if image == blank():
        return predict(self, image)  # the rehearsal before the fork
    note = Path(os.environ["CSSS_INSTANCE"], "at-it")
    note.with_suffix(".new").write_text(str(os.getpid()))
    note.with_suffix(".new").rename(note)
    time.sleep(300)
    return predict(self, image)
Engine.predict = slowly
"""


@needs_model
@pytest.mark.slow
@pytest.mark.postgres  # on SQLite: test_under_fire.py
@pytest.mark.parametrize("settings", [{"_database": "postgresql"}], indirect=True)
def test_after_a_kill_in_the_middle_another_worker_finishes_within_half_a_minute_once(
    clinic: Clinic, queue_server: redis.Redis
) -> None:
    scan, run = start_analysis(clinic)
    at_it = clinic.app.config["CSSS"].instance_folder / "at-it"
    victim = worker(clinic.app, Queue.INFERENCE, SLOW_CLASSIFIER, burst=False)
    heir = None
    try:
        eventually(at_it.exists, 60)
        heir = worker(clinic.app, Queue.INFERENCE, burst=False)
        # What counts is the time from the kill on, and not how long this machine takes to start a worker.
        eventually(lambda: workers()[Queue.INFERENCE] == 2, 60)
        os.killpg(victim.pid, signal.SIGKILL)
        os.kill(int(at_it.read_text()), signal.SIGKILL)  # the child that does the job, in a group of its own
        victim.wait(10)
        db.session.rollback()
        assert run.state is RunState.RUNNING
        killed_at = now()
        eventually(lambda: _fresh(scan).status is Status.AI_ANALYZED, 60)
        assert now() - killed_at < timedelta(seconds=30)
    finally:
        for process in (victim, heir):
            if process is not None:
                _end(process)
    db.session.rollback()
    assert count(Prediction) == 1
    assert [each.state for each in scan.runs] == [RunState.DONE]
    assert rows("analyse_scan")[0].attempts == 2


def _fresh(scan: Scan) -> Scan:
    db.session.rollback()
    return scan


@pytest.mark.slow
def test_a_worker_is_known_again_after_redis_has_forgotten_it(
    clinic: Clinic, queue_server: redis.Redis
) -> None:
    """`/readyz` counts the workers; a Redis that came back empty must not look like a clinic without any."""
    process = worker(clinic.app, Queue.CODES, burst=False)
    try:
        eventually(lambda: workers()[Queue.CODES] == 1)
        process.send_signal(signal.SIGSTOP)  # else it may say at once that it is there
        queue_server.flushall()
        assert workers()[Queue.CODES] == 0
        process.send_signal(signal.SIGCONT)
        eventually(lambda: workers()[Queue.CODES] == 1)
    finally:
        _end(process)


@pytest.mark.slow
def test_a_worker_that_is_started_before_redis_waits_for_it(clinic: Clinic, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="csss-redis-") as folder:
        socket = Path(folder) / "redis.sock"
        try:
            command = redis_command(socket)
        except NoRedisError as error:
            if IN_CI:
                raise
            pytest.skip(str(error))
        app = clinic.app
        app.config["CSSS"] = replace(app.config["CSSS"], redis_url=f"unix://{socket}")
        init_jobs(app)
        with (tmp_path / "worker.log").open("wb") as log:
            process = worker(app, Queue.CODES, burst=False, output=log)
        server = None
        try:
            eventually(lambda: "Redis went away" in (tmp_path / "worker.log").read_text(), 60)
            server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            eventually(socket.exists)
            # It says that it is there a moment before it listens to signals.
            served = rq_queue(Queue.CODES, app.extensions["csss_redis"])
            eventually(lambda: [each.get_state() for each in Worker.all(queue=served)] == ["idle"])
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            _end(process)
            if server is not None:
                server.terminate()
                server.wait(10)
