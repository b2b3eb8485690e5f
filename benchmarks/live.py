"""What needs the whole system running: real workers, a real SMTP server, a real Chromium."""

import contextlib
import statistics
import time
import uuid
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import sync_playwright
from sqlalchemy import select

from csss.auth.models import CodePurpose
from csss.auth.second_factor import request_code
from csss.database import db, transaction
from csss.scans import analysis
from csss.scans.models import AnalysisRun
from csss.scans.states import Status
from tests.factories import PASSWORD, Clinic
from tests.stack import Stack, eventually, running_stack

SCANS, CODES = 20, 20
CHROMIUM = Path("/usr/bin/chromium")
Row = tuple[str, str, str]


def bench_live(folder: Path) -> list[Row]:
    """Analysis and code mail through the real queues, and what a first visit weighs."""
    with running_stack(folder, bcrypt_rounds=12) as stack, stack.app.app_context():
        clinic = Clinic(stack.app)
        rows = [*_analysis(clinic), _code_mail(stack, clinic)]
        if CHROMIUM.exists():
            rows += _first_visit(stack, clinic)
        else:
            print("(Chromium is missing: the weight of a first visit is not measured)")
        return rows


def _analysis(clinic: Clinic) -> list[Row]:
    """From the job's first step to the stored prediction, as the records of the runs tell, and the doctor's wait."""
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
    """From the request to the SMTP server's acceptance, through outbox, Redis and the codes worker, STARTTLS in it."""
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


def _first_visit(stack: Stack, clinic: Clinic) -> list[Row]:
    """Bytes and requests of a doctor's first look at the worklist, as Chromium counts them on the wire."""
    doctor = clinic.person("doctor")
    for _ in range(8):
        clinic.scan(Status.PENDING_AI)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_context(base_url=stack.url).new_page()
        page.goto("/login")
        page.fill("input[name=email]", doctor.email)
        page.fill("input[name=password]", PASSWORD)
        page.click("main button[type=submit]")
        page.wait_for_url("**/doctor/")
        cookies = page.context.cookies()
        rows = []
        fresh = browser.new_context(base_url=stack.url)
        fresh.add_cookies(cookies)  # type: ignore[arg-type]
        for what, budget in (("first", ("≤ 32 kB", "≤ 6")), ("later", ("–", "–"))):
            size, requests = _weigh(fresh.new_page())
            rows.append((f"{what} visit to the worklist, over the wire", budget[0], f"{size / 1000:.1f} kB"))
            rows.append((f"{what} visit to the worklist, requests", budget[1], str(requests)))
        with contextlib.suppress(Exception):
            browser.close()
        return rows


def _weigh(page) -> tuple[int, int]:  # type: ignore[no-untyped-def]
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    addresses: dict[str, str] = {}
    sizes: dict[str, int] = {}
    cached: set[str] = set()
    session.on(
        "Network.requestWillBeSent",
        lambda event: addresses.update({event["requestId"]: event["request"]["url"]}),
    )
    session.on("Network.requestServedFromCache", lambda event: cached.add(event["requestId"]))
    session.on(
        "Network.loadingFinished",
        lambda event: sizes.update({event["requestId"]: int(event["encodedDataLength"])}),
    )
    page.goto("/doctor/")
    page.wait_for_timeout(1500)
    left_out = ("/image", "/heatmap", "/events", "manifest", "sw.js")
    counted = [
        identifier
        for identifier, url in addresses.items()
        if identifier not in cached
        and not any(part in url for part in left_out)
        and not url.startswith(("data:", "blob:"))
    ]
    return sum(sizes.get(identifier, 0) for identifier in counted), len(counted)
