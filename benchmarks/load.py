"""`python -m benchmarks.load --minutes 10`: simulate fifty users of the whole system with Locust.

Requirements on two cores: no error, p95 of pages under 300 ms, every submitted scan analysed. Users, system and
Redis share this machine. Exits with 1 when a requirement is not met.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from csss.database import db, transaction
from csss.scans import analysis
from csss.scans.models import Prediction, Scan
from csss.scans.states import RunState, Status
from tests.conftest import POSTGRES
from tests.ears import cookie_for
from tests.factories import Clinic
from tests.stack import Stack, postgres_database, running_stack

PEOPLE = {"patient": 30, "doctor": 12, "pharmacist": 4, "admin": 4}
UPLOADS_A_MINUTE = 20
LIMIT_MS = 300.0
PAGES = ("patient:", "doctor:", "pharmacist:", "admin:")
BEFORE = {Status.AI_ANALYZED: 20, Status.DOCTOR_VERIFIED: 12, Status.PHARMACIST_COMPLETED: 12}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="csss-load-") as folder:
        if options.database == "sqlite":
            holds = _measure(Path(folder), "", options.minutes)
        else:
            with postgres_database(POSTGRES) as url:
                holds = _measure(Path(folder), url, options.minutes)
    sys.exit(0 if holds else 1)


def _measure(folder: Path, database_url: str, minutes: float) -> bool:
    system = folder / "system"
    system.mkdir()
    with running_stack(system, database_url=database_url) as stack, stack.app.app_context():
        clinic = Clinic(stack.app)
        (folder / "people.json").write_text(json.dumps(_people(stack, clinic)))
        _fill(clinic)
        db.session.commit()
        before = _count(Scan)
        result = _play(stack, folder, minutes)
        db.session.rollback()
        sent = _count(Scan) - before
        _start_what_nobody_has_started(clinic)
        seconds = _until_analysed()
        analysed = _count(Scan) - _waiting()
        return _tell(result, sent=sent, analysed=analysed - before, seconds=seconds, minutes=minutes)


def _people(stack: Stack, clinic: Clinic) -> dict[str, Any]:
    cookies = {
        role: [cookie_for(stack, clinic.person(role)) for _ in range(number)]
        for role, number in PEOPLE.items()
    }
    return {"cookies": cookies, "numbers": PEOPLE, "uploads_a_minute": UPLOADS_A_MINUTE}


def _fill(clinic: Clinic) -> None:
    """Create something for everybody to look at."""
    doctor, pharmacist = clinic.person("doctor"), clinic.person("pharmacist")
    patients = [clinic.person("patient") for _ in range(10)]
    for status, number in BEFORE.items():
        for at in range(number):
            clinic.scan(status, patient=patients[at % 10], doctor=doctor, pharmacist=pharmacist)


def _play(stack: Stack, folder: Path, minutes: float) -> dict[str, Any]:
    """Run Locust in its own process: gevent replaces much of Python's networking."""
    result = folder / "result.json"
    command = [
        *(sys.executable, "-m", "locust", "--headless", "--only-summary", "--skip-log"),
        *("-f", str(Path(__file__).with_name("locustfile.py")), "--host", stack.url),
        *("--users", str(sum(PEOPLE.values())), "--spawn-rate", "5", "--run-time", f"{minutes * 60:.0f}s"),
        *("--stop-timeout", "20", "--exit-code-on-error", "0", "--reset-stats"),
    ]
    variables = {"CSSS_LOAD_PEOPLE": str(folder / "people.json"), "CSSS_LOAD_RESULT": str(result)}
    subprocess.run(command, env={**os.environ, **variables}, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    found: dict[str, Any] = json.loads(result.read_text())
    return found


def _start_what_nobody_has_started(clinic: Clinic) -> None:
    """Start the analyses that the simulated doctors did not get to."""
    doctor = clinic.person("doctor")
    ids = db.session.scalars(select(Scan.id).where(Scan.status == Status.PENDING_AI)).all()
    for scan_id in ids:
        scan = db.session.get_one(Scan, scan_id)
        if not any(run.state in {RunState.QUEUED, RunState.RUNNING} for run in scan.runs):
            with transaction():
                analysis.start(scan_id, by=doctor)


def _until_analysed() -> float:
    """Seconds until nothing waits any more, at most a minute and a half."""
    began = time.monotonic()
    while _waiting() and time.monotonic() - began < 90:
        time.sleep(0.2)
    return time.monotonic() - began


def _waiting() -> int:
    db.session.rollback()
    query = select(func.count()).select_from(Scan).where(Scan.status == Status.PENDING_AI)
    return db.session.scalar(query) or 0


def _count(model: type[Scan] | type[Prediction]) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def _tell(result: dict[str, Any], *, sent: int, analysed: int, seconds: float, minutes: float) -> bool:
    print(f"{'what':<34} {'times':>7} {'errors':>7} {'p50':>8} {'p95':>8}")
    pages: Counter[float] = Counter()
    for row in result["rows"]:
        print(
            f"{row['name']:<34} {row['requests']:>7} {row['failures']:>7} {row['p50']:>5.0f} ms {row['p95']:>5.0f} ms"
        )
        if row["name"].startswith(PAGES):
            pages.update({float(time): number for time, number in row["times"].items()})
    errors = sum(row["failures"] for row in result["rows"])
    p50, p95 = _percentile(pages, 0.5), _percentile(pages, 0.95)
    for error in result["errors"]:
        print(f"  {error}")
    print(f"\n{sum(PEOPLE.values())} people for {minutes:g} min: {errors} errors")
    print(f"all pages: p50 {p50:.0f} ms, p95 {p95:.0f} ms (must be under {LIMIT_MS:.0f} ms)")
    print(f"scans sent: {sent}; analysed: {analysed}, the last {seconds:.1f} s after the end")
    holds = errors == 0 and p95 < LIMIT_MS and sent > 0 and analysed == sent
    print("It holds." if holds else "IT DOES NOT HOLD.")
    return holds


def _percentile(times: Counter[float], part: float) -> float:
    left = part * sum(times.values())
    for milliseconds, number in sorted(times.items()):
        left -= number
        if left <= 0:
            return milliseconds
    return 0.0


if __name__ == "__main__":
    main()
