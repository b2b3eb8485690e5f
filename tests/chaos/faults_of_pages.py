"""The web process that is killed, the disk that is full, and people who press twice."""

import base64
import hashlib
import http.client
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

from sqlalchemy import select

from csss.auth.models import CodePurpose
from csss.auth.second_factor import Proof
from csss.database import db, transaction
from csss.outbox import OutboxJob, Queue
from csss.reports import services as reports
from csss.scans.models import AnalysisRun, Review
from csss.scans.states import Status
from tests.chaos.browser import Browser, new_picture
from tests.chaos.failure import Failed
from tests.chaos.matrix import fault
from tests.chaos.world import Chaos
from tests.disks import resize

PIECE = "application/offset+octet-stream"


# SIGKILL of the web process


def _restart_web(chaos: Chaos, *workers: int) -> float:
    """Kill it with its children; returns when."""
    chaos.kill("web", *workers)
    at = time.monotonic()
    chaos.stack.start_web()
    chaos.wait(chaos.stack.ready, "the web process does not come back")
    return at


@fault("kill-web-form", "web process killed during an upload: picture stored, scan not")
def web_killed_at_the_form(chaos: Chaos, _: int) -> list[float]:
    patient = chaos.clinic.person("patient").id
    browser, picture = chaos.new_browser_of(patient), new_picture()
    browser.token()
    with ThreadPoolExecutor(1) as pool, chaos.held("upload-stored") as arrived:
        answer = pool.submit(chaos.upload, browser, picture)
        at = _restart_web(chaos, *arrived())
    if answer.result()[0] != 0:
        raise Failed("a killed server answered")
    if chaos.scans_of(patient) != 0:
        raise Failed("half an upload became a scan")
    if chaos.upload(browser, picture)[0] != 303 or chaos.scans_of(patient) != 1:
        raise Failed("the upload does not work afterwards")
    took = time.monotonic() - at
    chaos.check()
    return [took]


@fault("kill-web-pieces", "web process killed while pieces of an upload arrive")
def web_killed_between_pieces(chaos: Chaos, _: int) -> list[float]:
    """What has arrived is kept, and the upload goes on from there."""
    patient = chaos.clinic.person("patient").id
    browser, picture = chaos.new_browser_of(patient), new_picture(900)
    place = _begin(browser, picture)
    half = len(picture) // 2 // 16_384 * 16_384  # what the server writes at once
    broken = threading.Thread(target=_send_slowly, args=(chaos, browser, place, picture[:half], len(picture)))
    broken.start()
    chaos.wait(lambda: _offset(browser, place) >= half, "the first half never arrived")
    at = _restart_web(chaos, *chaos.children_of("web"))
    broken.join()
    offset = _offset(browser, place)
    if offset < half:
        raise Failed(f"only {offset} of {half} bytes were kept")
    if _begin(browser, picture) != place:
        raise Failed("the unfinished upload is not found again")
    status, _headers = browser.raw(
        "PATCH", place, picture[offset:], Content_Type=PIECE, Upload_Offset=str(offset)
    )
    upload_id = place.rpartition("/")[2]
    if status != 204 or chaos.upload(browser, None, upload=upload_id)[0] != 303:
        raise Failed(f"the upload does not go on: {status}")
    took = time.monotonic() - at
    if chaos.scans_of(patient) != 1:
        raise Failed(f"the patient has {chaos.scans_of(patient)} scans")
    chaos.check()
    return [took]


def _begin(browser: Browser, picture: bytes) -> str:
    digest = base64.b64encode(hashlib.sha256(picture).digest()).decode()
    status, headers = browser.raw(
        "POST", "/patient/uploads", b"", Upload_Length=str(len(picture)), Repr_Digest=f"sha-256=:{digest}:"
    )
    if status not in {200, 201}:
        raise Failed(f"an upload cannot be begun: {status}")
    return urlsplit(headers["location"]).path


def _offset(browser: Browser, place: str) -> int:
    _status, headers = browser.raw("HEAD", place, None)
    return int(headers.get("upload-offset", -1))


def _send_slowly(chaos: Chaos, browser: Browser, place: str, part: bytes, whole: int) -> None:
    """A piece that says it is the whole file, of which only `part` comes; then the line stays open."""
    where = urlsplit(chaos.stack.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
    try:
        connection.putrequest("PATCH", place)
        for name, value in (
            ("Content-Type", PIECE),
            ("Content-Length", str(whole)),
            ("Upload-Offset", "0"),
            ("X-CSRFToken", browser.token()),
            ("Cookie", browser.cookie),
        ):
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(part)
        connection.getresponse()
    except OSError:
        return
    except http.client.HTTPException:
        return
    finally:
        connection.close()


# A full disk


@contextmanager
def _full_disk(chaos: Chaos) -> Iterator[None]:
    folder = chaos.stack.settings.storage_folder
    if not folder.joinpath(".small").exists() and folder.name != "storage":
        raise Failed("no small file system can be mounted here, so this was not tried")
    used = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    filler = folder / "filler"
    try:
        resize(folder, f"{used // 1024 + 2000}k")
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass
        yield
    finally:
        filler.unlink(missing_ok=True)
        resize(folder, "2g")


@fault("disk-full-upload", "disk full during an upload")
def disk_full_upload(chaos: Chaos, _: int) -> list[float]:
    patient = chaos.clinic.person("patient").id
    browser, picture = chaos.new_browser_of(patient), new_picture()
    with _full_disk(chaos):
        status, text = chaos.upload(browser, picture)
        if status != 507 or "disk is full" not in text:
            raise Failed(f"the upload answered {status}")
        place = _begin(browser, picture)
        status, _headers = browser.raw("PATCH", place, picture, Content_Type=PIECE, Upload_Offset="0")
        if status != 507:
            raise Failed(f"the piece answered {status}")
        if chaos.readiness()["disk"] == "ok":
            raise Failed("/readyz tells nothing of the disk")
        if chaos.scans_of(patient) != 0:
            raise Failed("half an upload became a scan")
        if [*chaos.stack.settings.storage_folder.rglob("*.partial")]:
            raise Failed("a half-written file stays behind")
    began = time.monotonic()
    offset = _offset(browser, place)
    status, _headers = browser.raw(
        "PATCH", place, picture[offset:], Content_Type=PIECE, Upload_Offset=str(offset)
    )
    upload_id = place.rpartition("/")[2]
    if status != 204 or chaos.upload(browser, None, upload=upload_id)[0] != 303:
        raise Failed(f"the upload does not go on: {status}")
    took = time.monotonic() - began
    chaos.check()
    return [took]


@fault("disk-full-pdf", "disk full during PDF")
def disk_full_pdf(chaos: Chaos, _: int) -> list[float]:
    scan_id = chaos.scan(Status.PHARMACIST_COMPLETED)
    patient, admin = chaos.patient_of(scan_id), chaos.user("admin")
    chaos.workers(Queue.REPORTS, 1)
    with _full_disk(chaos):
        with transaction():
            proof = Proof(admin.id, CodePurpose.APPROVAL, scan_id, "authenticator")
            reports.approve(scan_id, proof=proof, by=admin)
        chaos.wait(lambda: _tries(scan_id) >= 3, "the report was never tried")
        text = chaos.new_browser(patient).page(f"/patient/scans/{scan_id}")
        if "is being made" not in text:
            raise Failed("the patient is not told that the report is being made")
    took = chaos.wait(lambda: chaos.report(scan_id), "the report was never made")
    chaos.check()
    return [took]


def _tries(scan_id: uuid.UUID) -> int:
    db.session.rollback()
    found = db.session.scalars(select(OutboxJob).where(OutboxJob.job == "render_report"))
    return max((row.attempts for row in found if row.args[0] == str(scan_id) and row.last_error), default=0)


# Twice


@fault("same-button", "two people press the same button")
def same_button(chaos: Chaos, _: int) -> list[float]:
    """Two doctors ask for the analysis, then both verify: one is first, the other is told so."""
    scan_id, began = chaos.scan(), time.monotonic()
    others = [chaos.new_browser(chaos.clinic.person("doctor")) for _ in range(2)]
    both = _at_once(others, f"/doctor/scans/{scan_id}/analyze", {})
    if sorted(status for status, _ in both) != [303, 409]:
        raise Failed(f"two presses answered {[status for status, _ in both]}")
    chaos.wait(lambda: chaos.analysed(scan_id), "the scan was never analysed")
    written = {
        "findings": "Clear lungs.",
        "impression": "None",
        "diagnosis": "Normal",
        "agreement": "agree",
        "read_myself": "y",
    }
    both = _at_once(others, f"/doctor/scans/{scan_id}/verify", written)
    told = [text for status, text in both if status == 409]
    if len(told) != 1:
        raise Failed(f"two signatures answered {[status for status, _ in both]}")
    db.session.rollback()
    runs = db.session.scalars(select(AnalysisRun).where(AnalysisRun.scan_id == scan_id)).all()
    reviews = db.session.scalars(select(Review).where(Review.scan_id == scan_id)).all()
    if (len(runs), len(reviews)) != (1, 1):
        raise Failed(f"{len(runs)} analyses and {len(reviews)} reviews")
    took = time.monotonic() - began
    chaos.check()
    return [took]


def _at_once(browsers: list[Browser], path: str, fields: dict[str, str]) -> list[tuple[int, str]]:
    for browser in browsers:
        browser.token()
    barrier = threading.Barrier(len(browsers))

    def press(browser: Browser) -> tuple[int, str]:
        barrier.wait(10)
        return browser.send(path, fields, {})

    with ThreadPoolExecutor(len(browsers)) as pool:
        return list(pool.map(press, browsers))


@fault("upload-twice", "the same upload sent twice: as a form, and in pieces")
def upload_twice(chaos: Chaos, _: int) -> list[float]:
    began = time.monotonic()
    for in_pieces in (False, True):
        patient = chaos.clinic.person("patient").id
        browser, picture = chaos.new_browser_of(patient), new_picture()
        browser.token()
        upload_id = ""
        if in_pieces:
            place = _begin(browser, picture)
            browser.raw("PATCH", place, picture, Content_Type=PIECE, Upload_Offset="0")
            upload_id = place.rpartition("/")[2]
        with ThreadPoolExecutor(2) as pool:
            sent = [
                pool.submit(chaos.upload, browser, None if in_pieces else picture, upload=upload_id)
                for _ in range(2)
            ]
            answers = {each.result() for each in sent}
        if len(answers) != 1 or next(iter(answers))[0] != 303:
            raise Failed(f"the same upload twice answered {sorted(answers)}")
        if chaos.scans_of(patient) != 1:
            raise Failed(f"the patient has {chaos.scans_of(patient)} scans")
    took = time.monotonic() - began
    chaos.check()
    return [took]
