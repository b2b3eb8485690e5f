"""Measure what needs the whole running system: real workers, a real SMTP server."""

import statistics
import time
import uuid
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from csss.auth.models import CodePurpose
from csss.auth.second_factor import request_code
from csss.database import db, transaction
from csss.scans import analysis
from csss.scans.models import AnalysisRun
from csss.scans.states import Status
from tests.factories import Clinic
from tests.stack import Stack, eventually, running_stack

SCANS, CODES = 20, 20
Row = tuple[str, str, str]


def bench_live(folder: Path) -> list[Row]:
    """Analysis and code mail through the real queues."""
    with running_stack(folder, bcrypt_rounds=12) as stack, stack.app.app_context():
        clinic = Clinic(stack.app)
        return [*_analysis(clinic), _code_mail(stack, clinic)]


def _analysis(clinic: Clinic) -> list[Row]:
    """From the job's first step to the stored prediction, from the runs' records, and the doctor's waiting time."""
    doctor = clinic.person("doctor")
    sample = next((Path(__file__).parent.parent / "csss" / "demo" / "scans").glob("*.jpg")).read_bytes()
    runs: list[uuid.UUID] = []
    waits: list[float] = []
    for _ in range(SCANS + 2):
        scan_id = clinic.scan(Status.PENDING_AI, image=sample).id
        pressed = time.perf_counter()
        with transaction():
            run_id = analysis.start(scan_id, by=doctor).id
        eventually(lambda run_id=run_id: _finished(run_id), 30, 0.005)  # type: ignore[misc]
        waits.append((time.perf_counter() - pressed) * 1000)
        runs.append(run_id)
    done = db.session.scalars(select(AnalysisRun).where(AnalysisRun.id.in_(runs[2:]))).all()
    spans = [
        (run.finished_at - run.started_at) / timedelta(milliseconds=1)
        for run in done
        if run.finished_at and run.started_at
    ]
    return [
        (
            "one scan, job start to stored prediction with heat map, p50",
            "≤ 60 ms",
            f"{statistics.median(spans):.0f} ms",
        ),
        (
            "the same from the doctor's click (queue and fork of the worker in it), p50",
            "–",
            f"{statistics.median(waits[2:]):.0f} ms",
        ),
    ]


def _finished(run_id: uuid.UUID) -> bool:
    db.session.rollback()
    run = db.session.get(AnalysisRun, run_id, populate_existing=True)
    return run is not None and run.finished_at is not None


def _code_mail(stack: Stack, clinic: Clinic) -> Row:
    """From the request to the SMTP server's acceptance, through outbox, Redis and the codes worker, including
    STARTTLS."""
    times = []
    for number in range(CODES):
        user = clinic.person("admin")
        pressed = time.monotonic()
        with transaction():
            request_code(user, CodePurpose.SIGN_IN, uuid.uuid4())
        eventually(lambda user=user: stack.mailbox.to(user.email, "one-time code"), 30, 0.005)  # type: ignore[misc]
        accepted = next(
            at
            for at, mail in stack.mailbox.received
            if mail["To"] == user.email and "code" in mail["Subject"]
        )
        times.append(accepted - pressed)
        assert number < CODES
    times.sort()
    p95 = times[min(len(times) - 1, round(0.95 * len(times)))]
    return (f"code mail, request to the mail server's acceptance, p95 of {CODES}", "≤ 2 s", f"{p95:.2f} s")
