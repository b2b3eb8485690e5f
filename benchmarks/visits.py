"""Measure size and load time of the worklist in a real Chromium, with caching as in production."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask_migrate import upgrade
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from csss import create_app
from csss.database import db, transaction
from csss.people.models import User
from csss.scans import services
from csss.scans.states import Priority, Status
from tests.conftest import CHROMIUM, settings_for
from tests.ears import cookie_for, streaming
from tests.factories import Clinic
from tests.stack import Stack

Row = tuple[str, str, str]
SCANS = 30  # more than one page of the list
IDLE_SECONDS = 65
STREAMS_AN_HOUR = 4  # a stream lives for at least 15 minutes (csss/live/hub.py)
SLOW_LINE = {"offline": False, "latency": 400, "downloadThroughput": 32_000, "uploadThroughput": 32_000}
LEFT_OUT = ("/image", "/heatmap", "/thumbnail", "/preview", "/events", "manifest", "service-worker", "sw.js")
NAMES = ("Chioma Okafor", "Lars Lindqvist", "Meera Raman", "José Álvarez", "Hanna Fischer", "Tomasz Nowak")


def bench_visits(folder: Path) -> list[Row]:
    """First and later visit, one row's update, an idle hour, and both visits over 256 kbit/s with 400 ms delay."""
    if CHROMIUM is None:
        print("(Chromium is missing: visits are not measured)")
        return []
    with streaming_system(folder) as stack, sync_playwright() as playwright:
        clinic = Clinic(stack.app)
        fill(clinic, SCANS)
        doctor = clinic.person("doctor")
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        rows = [
            *_weights(browser, stack, doctor),
            *_updates(browser, stack, doctor),
            *_over_a_slow_line(browser, stack, doctor),
        ]
        browser.close()
        return rows


@contextmanager
def streaming_system(folder: Path, **more: object) -> Iterator[Stack]:
    """The web server and Redis on a new database, inside the app's context."""
    template, place = folder / "template", folder / "system"
    template.mkdir()
    place.mkdir()
    app = create_app(settings_for(template))
    with app.app_context():
        upgrade()
        db.session.remove()
        db.engine.dispose()
    with streaming(place, template / "csss.db", **more) as stack, stack.app.app_context():
        yield stack


def fill(clinic: Clinic, number: int) -> None:
    people = [clinic.person("patient", name=f"{NAMES[at % 6]} {chr(65 + at % 26)}.") for at in range(number)]
    for at, patient in enumerate(people):
        clinic.scan(Status.AI_ANALYZED if at % 3 else Status.PENDING_AI, patient=patient)


def browser_of(browser: Browser, stack: Stack, user: User) -> BrowserContext:
    """A browser with an empty cache, signed in."""
    # Traffic through a service worker would not be counted.
    context = browser.new_context(base_url=stack.url, service_workers="block")
    name, _, value = cookie_for(stack, user).partition("=")
    context.add_cookies([{"name": name, "value": value, "url": stack.url}])
    return context


class Wire:
    """What a page transfers, as Chromium counts it: responses with their headers."""

    def __init__(self, page: Page) -> None:
        self.session = page.context.new_cdp_session(page)
        self.session.send("Network.enable")
        self.addresses: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        self.streamed = 0
        self._cached: set[str] = set()
        self.session.on("Network.requestWillBeSent", self._sent)
        self.session.on("Network.requestServedFromCache", lambda event: self._cached.add(event["requestId"]))
        self.session.on("Network.dataReceived", self._data)
        self.session.on("Network.loadingFinished", self._finished)

    def _sent(self, event: Any) -> None:
        self.addresses[event["requestId"]] = event["request"]["url"]

    def _data(self, event: Any) -> None:
        if self.addresses.get(event["requestId"], "").endswith("/events"):
            self.streamed += int(event["encodedDataLength"] or event["dataLength"])

    def _finished(self, event: Any) -> None:
        self.sizes[event["requestId"]] = int(event["encodedDataLength"])

    @property
    def counted(self) -> list[int]:
        """The sizes of everything that counts, in bytes."""
        return [
            self.sizes.get(identifier, 0)
            for identifier, url in self.addresses.items()
            if identifier not in self._cached
            and not any(part in url for part in LEFT_OUT)
            and not url.startswith(("data:", "blob:"))
        ]

    def forget(self) -> None:
        self.addresses = {key: url for key, url in self.addresses.items() if url.endswith("/events")}
        self.sizes.clear()


def _weights(browser: Browser, stack: Stack, doctor: User) -> list[Row]:
    context = browser_of(browser, stack, doctor)
    rows = []
    for what, budget in (("first", ("≤ 32 kB", "≤ 6")), ("later", ("≤ 8 kB", "–"))):
        page = context.new_page()
        wire = Wire(page)
        page.goto("/doctor/")
        page.wait_for_timeout(2500)
        sizes = wire.counted
        paper = " (paper: 160 kB)" if what == "first" else ""
        rows.append(
            (f"{what} visit to the worklist, over the wire{paper}", budget[0], f"{sum(sizes) / 1000:.1f} kB")
        )
        rows.append(
            (f"{what} visit to the worklist, requests", budget[1], str(sum(size > 0 for size in sizes)))
        )
        page.close()
    context.close()
    return rows


def _updates(browser: Browser, stack: Stack, doctor: User) -> list[Row]:
    page = browser_of(browser, stack, doctor).new_page()
    wire = Wire(page)
    page.goto("/doctor/")
    page.wait_for_timeout(2000)
    before = wire.streamed
    wire.forget()
    page.wait_for_timeout(IDLE_SECONDS * 1000)
    comments = (wire.streamed - before) * 3600 / IDLE_SECONDS
    # Each new stream costs its request, the head of its answer, its first event, and one empty refresh.
    idle = comments + STREAMS_AN_HOUR * 2000 + sum(wire.counted) * 3600 / IDLE_SECONDS
    wire.forget()
    scan_id = str(page.locator("#worklist tbody tr").nth(3).get_attribute("id")).removeprefix("scan-")
    _make_urgent(stack, scan_id, doctor)
    page.locator(f"#scan-{scan_id}.is-urgent").wait_for()
    page.wait_for_timeout(500)
    update = wire.counted
    page.context.close()
    return [
        (
            f"one row's update in the list, over the wire ({len(update)} request)",
            "≤ 2 kB",
            f"{sum(update) / 1000:.2f} kB",
        ),
        (f"an idle hour while streaming (scaled from {IDLE_SECONDS} s)", "≤ 20 kB", f"{idle / 1000:.1f} kB"),
    ]


def _make_urgent(stack: Stack, scan_id: str, doctor: User) -> None:
    """Another user does it meanwhile, in a thread, so that the browser keeps running."""
    doctor_id = doctor.id

    def change() -> None:
        with stack.app.app_context(), transaction():
            by = db.session.get_one(User, doctor_id)
            services.set_priority(uuid.UUID(scan_id), Priority.URGENT, by=by)

    thread = threading.Thread(target=change)
    thread.start()
    thread.join()


def _over_a_slow_line(browser: Browser, stack: Stack, doctor: User) -> list[Row]:
    context = browser_of(browser, stack, doctor)
    rows = []
    for what, budget in (("first", "< 2.5 s"), ("later", "< 1.2 s")):
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", SLOW_LINE)
        page.goto("/doctor/", wait_until="domcontentloaded")
        # Rows, styles and scripts are ready: deferred scripts run before this event, the style sheet before them.
        usable = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
        rows.append(
            (f"{what} visit at 256 kbit/s and 400 ms: usable after", budget, f"{usable / 1000:.2f} s")
        )
        page.wait_for_timeout(3000)
        page.close()
    context.close()
    return rows
