"""Pictures of every page, for people to look at: `make screenshots` fills the folder `screenshots/`.

`make screenshots ARGS=readme` makes the four of the README instead, ARGS=doctor only the pages whose name holds that word.
Each page at 360 and 1440 pixels, light and dark, from the demo's accounts and synthetic scans; the released report as
PNG pages, too, where `pdftoppm` is installed.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from sqlalchemy import select

from csss.auth import sessions
from csss.auth.accounts import by_email, confirmation_token
from csss.auth.models import UserSession
from csss.clock import now
from csss.database import db, transaction
from csss.demo.seed import seed
from csss.inference.labels import read_info
from csss.outbox import DISPATCHER
from csss.people.models import Patient
from csss.prescriptions import templates
from csss.reports import batches
from csss.reports.models import ReportVersion
from csss.scans import report_templates
from csss.scans.models import Prediction, Scan
from csss.scans.states import Status
from csss.storage.files import storage
from csss.web.guard import PENDING
from tests.conftest import CHROMIUM
from tests.stack import Stack, running_stack

WIDTHS = (360, 1440)
THEMES = ("light", "dark")
OUT = Path("screenshots")
HALFWAY = "halfway"
"""An administrator who has given the password and not yet the code."""


def main() -> None:
    OUT.mkdir(exist_ok=True)
    wanted = sys.argv[1:]
    with (
        tempfile.TemporaryDirectory(prefix="csss-shots-") as folder,
        running_stack(
            Path(folder), hospital_name="St. Thomas Hospital", hospital_address="14 Mount Road|Chennai 600002"
        ) as stack,
        stack.app.app_context(),
    ):
        dispatch = stack.app.extensions[DISPATCHER]
        stack.app.extensions[DISPATCHER] = lambda row_id, queue: None  # the seed does its own jobs
        seed()
        stack.app.extensions[DISPATCHER] = dispatch
        _report_pages()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
            if wanted == ["readme"]:
                _readme_pictures(browser, stack)
                return
            for role, name, address in _pages():
                if not wanted or any(word in f"{role}-{name}" for word in wanted):
                    _shoot(browser, stack, role, name, address)
            browser.close()
    print(f"{len(list(OUT.glob('*.png')))} pictures in {OUT}/")


def _pages() -> Iterator[tuple[str, str, str]]:
    """Role (or nobody), a name for the file, the address."""
    by_status = {
        status: db.session.scalars(
            select(Scan).where(Scan.status == status).order_by(Scan.uploaded_at)
        ).first()
        for status in Status
    }
    uncertain = db.session.scalars(
        select(Scan).join(Prediction).where(Prediction.uncertain, Scan.status == Status.AI_ANALYZED)
    ).first()
    yield from (
        ("nobody", name, address)
        for name, address in (
            ("start", "/"),
            ("login", "/login"),
            ("register", "/register"),
            ("forgot", "/forgot-password"),
            ("missing", "/nothing-here"),
            ("offline", "/offline"),
        )
    )
    patient = by_email("patient@csss.example")
    assert patient is not None
    yield "nobody", "confirm", f"/confirm/{confirmation_token(patient)}"
    yield "nobody", "confirm-too-late", "/confirm/too-late"
    yield "nobody", "reset-too-late", "/reset-password/too-late"
    yield HALFWAY, "code", "/login/code"
    yield "patient", "home", "/patient/"
    yield "patient", "account", "/account"
    yield "patient", "help", "/assistant"
    yield "doctor", "worklist", "/doctor/"
    yield "doctor", "templates", "/doctor/templates"
    yield "doctor", "models", "/models"
    yield "doctor", "model-card", f"/models/{read_info().version}"
    yield "pharmacist", "queue", "/pharmacist/"
    yield "pharmacist", "templates", "/pharmacist/templates"
    yield "pharmacist", "template", "/pharmacist/templates/new"
    yield "admin", "queue", "/admin/"
    for page in ("patients", "users", "erasing", "mail", "jobs", "audit", "statistics", "watch"):
        yield "admin", page, f"/admin/{page}"
    yield "admin", "account", "/account"
    yield "admin", "new-patient", "/admin/patients/new"
    if (somebody := db.session.scalars(select(Patient)).first()) is not None:
        yield "admin", "patient", f"/admin/patients/{somebody.id}"
        yield "admin", "merge", f"/admin/patients/{somebody.id}/merge"
    yield from _single_things(by_status[Status.PHARMACIST_COMPLETED])
    if uncertain is not None:
        address = f"/doctor/scans/{uncertain.id}"
        yield "doctor", "uncertain", address
        others = select(Scan).where(Scan.patient_id == uncertain.patient_id, Scan.id != uncertain.id)
        if other := db.session.scalars(others.order_by(Scan.uploaded_at)).first():
            yield "doctor", "compared", f"{address}?compare={other.id}"
    mine = db.session.scalars(select(Scan).join(Scan.patient).where(Patient.user_id == patient.id))
    for status, scan in sorted({scan.status: scan for scan in mine}.items()):
        yield "patient", f"scan-{status.value.lower()}", f"/patient/scans/{scan.id}"
    for status, scan in by_status.items():
        if scan is not None:
            for role in ("doctor", "pharmacist", "admin"):
                yield role, f"scan-{status.value.lower()}", f"/{role}/scans/{scan.id}"


def _single_things(waiting: Scan | None) -> Iterator[tuple[str, str, str]]:
    """Pages of one account, one template, and reports that are approved together."""
    people = {role: by_email(f"{role}@csss.example") for role in ("doctor", "pharmacist", "admin")}
    doctor, pharmacist, admin = people["doctor"], people["pharmacist"], people["admin"]
    assert doctor and pharmacist and admin
    yield "doctor", "template", f"/doctor/templates/{report_templates.of(doctor)[0].id}"
    for preset in templates.usable_by(pharmacist)[:1]:
        yield "pharmacist", "template-changed", f"/pharmacist/templates/{preset.id}"
    yield "admin", "user", f"/admin/users/{doctor.id}"
    yield "admin", "authenticator", "/account/authenticator"
    if waiting is not None:
        with transaction():
            batch_id = batches.prepare([waiting.id], by=admin).id
        yield "admin", "together", f"/admin/approvals/{batch_id}"


def _context(browser: Browser, stack: Stack, role: str, width: int, theme: str) -> BrowserContext:
    context = browser.new_context(
        base_url=stack.url,
        viewport={"width": width, "height": 900 if width > 600 else 740},
        color_scheme=theme,  # type: ignore[arg-type]
        device_scale_factor=1,
    )
    if role != "nobody":
        context.add_cookies([{"name": "csss", "value": _cookie(stack, role), "url": stack.url}])
    return context


def _cookie(stack: Stack, role: str) -> str:
    """A session cookie, made as the sign-in makes it; `HALFWAY` still owes the second factor."""
    complete = role != HALFWAY
    user = by_email(f"{role if complete else 'admin'}@csss.example")
    assert user is not None
    with transaction():
        row, key = sessions.begin(user, address="127.0.0.1", device="Screenshots", complete=complete)
        row_id = row.id
    assert db.session.get(UserSession, row_id) is not None
    serializer = stack.app.session_interface.get_signing_serializer(stack.app)  # type: ignore[attr-defined]
    kept = {"_user_id": key, "_fresh": True} if complete else {PENDING: key}
    return str(serializer.dumps({**kept, "at": now().isoformat()}))


def _shoot(browser: Browser, stack: Stack, role: str, name: str, address: str) -> None:
    for width in WIDTHS:
        for theme in THEMES:
            context = _context(browser, stack, role, width, theme)
            page = context.new_page()
            page.goto(address)
            page.wait_for_timeout(400)
            wider = _sideways(page)
            if wider > width:
                print(f"{role}-{name} at {width} px scrolls sideways ({wider} px)")
            page.screenshot(path=OUT / f"{role}-{name}-{width}-{theme}.png", full_page=True)
            context.close()


def _readme_pictures(browser: Browser, stack: Stack) -> None:
    """The worklist, a doctor's page with the heat map on, a patient's telephone and the first page of a report."""
    folder = Path("docs/screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    uncertain = db.session.scalars(
        select(Scan).join(Prediction).where(Prediction.uncertain, Scan.status == Status.AI_ANALYZED)
    ).all()[0]
    waiting = next(
        scan
        for scan in db.session.scalars(select(Scan).where(Scan.status == Status.AI_ANALYZED))
        if scan.patient.user.email == "patient@csss.example"
    )
    for name, role, width, theme, address in (
        ("worklist", "doctor", 1440, "light", "/doctor/"),
        ("doctor", "doctor", 1440, "dark", f"/doctor/scans/{uncertain.id}"),
        ("patient", "patient", 360, "light", f"/patient/scans/{waiting.id}"),
    ):
        context = _context(browser, stack, role, width, theme)
        page = context.new_page()
        page.goto(address)
        if name == "doctor":
            page.get_by_label("Show heat map").check()
            page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(600)
        page.screenshot(path=folder / f"{name}.png")
        context.close()
    shutil.copy(OUT / "report-1.png", folder / "report.png")
    for picture in folder.glob("*.png"):
        Image.open(picture).convert("RGB").quantize(256).save(picture, optimize=True)


def _sideways(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))


def _report_pages() -> None:
    report = db.session.scalars(select(ReportVersion)).first()
    if report is None or shutil.which("pdftoppm") is None:
        print("no report pages (no report, or pdftoppm is not installed)")
        return
    (OUT / "report.pdf").write_bytes(storage().read(report.file_key))
    subprocess.run(["pdftoppm", "-r", "80", "-png", OUT / "report.pdf", OUT / "report"], check=True)


if __name__ == "__main__":
    main()
