"""Real workers do what is owed, though Redis or a worker is lost in the middle."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import IO

import pytest
import redis
from flask import Flask
from rq import Worker

from csss.clock import now
from csss.database import db
from csss.demo.run import environment
from csss.jobs.queues import init_jobs, rq_queue
from csss.notices.models import MailMessage
from csss.outbox import Queue
from csss.scans.models import Prediction, Scan
from csss.scans.states import RunState, Status
from csss.web.health import workers
from tests.factories import Clinic, picture
from tests.integration.jobs import change, count, needs_model, rows, start_analysis
from tests.redis_server import command_for, started
from tests.stack import eventually

ROOT = Path(__file__).resolve().parents[2]


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
        with contextlib.suppress(ProcessLookupError):  # it may have been quick to notice
            os.kill(
                int(at_it.read_text()), signal.SIGKILL
            )  # the child that does the job, in a group of its own
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
        command_for(socket)  # skips where there is none
        app = clinic.app
        app.config["CSSS"] = replace(app.config["CSSS"], redis_url=f"unix://{socket}")
        init_jobs(app)
        with (tmp_path / "worker.log").open("wb") as log:
            process = worker(app, Queue.CODES, burst=False, output=log)
        server = None
        try:
            eventually(lambda: "Redis went away" in (tmp_path / "worker.log").read_text(), 60)
            server = started(socket)
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
