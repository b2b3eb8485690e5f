"""Measure a hundred open worklists while patients upload: how soon a change is visible, and what it costs other
users.

A thread simulates each list and does what static/js/live.js does: listen, collect, wait for its turn, refresh with
its version and its rows. Patients arrive at random, twenty a minute, often two within a second and then nobody for
ten; at the end twenty at once, as after a network outage. The user who opens pages meanwhile is a separate process,
like somebody at another computer: a thread next to a hundred others would wait for them, and not for the server.
Server, lists and everything else share this machine.
"""

import http.client
import multiprocessing
import random
import re
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from urllib.parse import urlsplit

import brotli

from benchmarks.visits import fill, streaming_system
from csss.database import transaction
from csss.scans import services
from csss.scans.intake import take_in
from csss.scans.states import ScanKind
from csss.storage.files import storage
from tests.ears import Ear, cookie_for
from tests.factories import Clinic, picture
from tests.stack import Stack

Row = tuple[str, str, str]
LISTS, UPLOADS, EVERY_SECONDS = 100, 20, 3.0  # twenty a minute
GAP, TURNS = 2.0, 4  # as in static/js/live.js
GIVE_UP_SECONDS = 10.0


class OpenList:
    """One doctor's open worklist."""

    def __init__(self, stack: Stack, cookie: str) -> None:
        where = urlsplit(stack.url)
        self._connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        self._cookie, self._version, self._rows = cookie, "1", dict[str, str]()
        self.requests, self.bytes = 0, 0
        self.seen: dict[str, float] = {}
        self.ask()
        self.ear = Ear(stack.url, cookie)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def ask(self) -> None:
        try:
            answer = self._send()
        except (http.client.RemoteDisconnected, ConnectionError):
            self._connection.close()  # the server closes an idle connection
            answer = self._send()
        body = answer.read()
        self.requests += 1
        self.bytes += len(body)
        if answer.status == 200:
            text = (brotli.decompress(body) if answer.headers["Content-Encoding"] == "br" else body).decode()
            self._version = answer.headers["X-CSSS-Version"]
            fresh = dict(re.findall(r'id="scan-([0-9a-f-]+)" data-v="(\w+)"', text))
            had = list(self._rows)
            kept = [had[int(number)] for number in re.findall(r'<tr data-same="(\d+)">', text)]
            at = time.monotonic()
            for scan_id in fresh:
                self.seen.setdefault(scan_id, at)
            self._rows = {key: self._rows[key] for key in kept} | fresh

    def _send(self) -> http.client.HTTPResponse:
        headers = {
            "Cookie": self._cookie,
            "HX-Request": "true",
            "Accept-Encoding": "br",
            "X-CSSS-Refresh": self._version,
            "X-CSSS-Have": ",".join(self._rows.values()),
        }
        self._connection.request("GET", "/doctor/?sort=newest", headers=headers)
        return self._connection.getresponse()

    def _follow(self) -> None:
        spent, heard = 0.0, 0
        while self.ear.hears_more_than(heard):
            wait = max(0.0, spent - (TURNS - 1) * GAP - time.monotonic())
            if self._over.wait(wait):
                return
            heard = len(self.ear.heard)
            spent = max(spent, time.monotonic()) + GAP
            self.ask()

    def close(self) -> None:
        self._over.set()
        self.ear.close()
        self._thread.join(10)
        self._connection.close()


def bench_streams(folder: Path) -> list[Row]:
    with streaming_system(folder) as stack:
        clinic = Clinic(stack.app)
        fill(clinic, 30)
        cookies = [cookie_for(stack, clinic.person("doctor")) for _ in range(LISTS)]
        with ThreadPoolExecutor(8) as pool:
            lists = list(pool.map(lambda cookie: OpenList(stack, cookie), cookies))
        refused = sum(each.ear.status != 200 for each in lists)
        assert not refused, f"{refused} streams were refused"
        for each in lists:
            each.ear.wait("ready", seconds=30)
        time.sleep(TURNS * GAP + 1)  # wait until the turns used for opening are available again
        pages = _Pages(stack, cookies[0])
        draw = random.Random(7)
        usual = _uploads(clinic, lists, [draw.expovariate(1 / EVERY_SECONDS) for _ in range(UPLOADS)])
        page_times = pages.stop()
        time.sleep(TURNS * GAP)
        storm = _uploads(clinic, lists, [0.0] * UPLOADS)
        for each in lists:
            each.close()
        return _rows(usual, storm, page_times)


@dataclass
class Uploads:
    """The delay of each upload in each list, and what the lists requested meanwhile."""

    waits: list[float]
    seconds: float
    requests: float
    bytes: float


def _rows(usual: Uploads, storm: Uploads, pages: list[float]) -> list[Row]:
    with_them = f"with {LISTS} open streams"
    return [
        (
            f"a change, from its commit to another doctor's list, p95 {with_them}",
            "≤ 1 s",
            f"{_p95(usual.waits):.2f} s",
        ),
        ("the same, p50", "–", f"{statistics.median(usual.waits):.2f} s"),
        (f"the worklist's page over HTTP {with_them}, p50", "≤ 50 ms", f"{statistics.median(pages):.0f} ms"),
        ("the same, p95", "≤ 50 ms", f"{_p95(pages):.0f} ms"),
        (
            f"requests of each list for {UPLOADS} uploads in {usual.seconds:.0f} s, as they come",
            f"≤ {UPLOADS}",
            f"{usual.requests:.1f}",
        ),
        (
            "bytes of an upload in each list (bodies, brotli)",
            "≤ 2 kB",
            f"{usual.bytes / UPLOADS / 1000:.2f} kB",
        ),
        (f"requests of each list for {UPLOADS} uploads at once", "≤ 6", f"{storm.requests:.1f}"),
        ("the last of them is seen everywhere after", "–", f"{max(storm.waits):.2f} s"),
    ]


def _p95(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]


def _uploads(clinic: Clinic, lists: list[OpenList], pauses: list[float]) -> Uploads:
    """One upload after each pause."""
    patient = clinic.person("patient")
    intake = take_in(picture(), limit=10_000_000)
    key = storage().put("scans", intake.suffix, intake.content)
    asked, received = sum(each.requests for each in lists), sum(each.bytes for each in lists)
    committed: dict[str, float] = {}
    begun = due = time.monotonic()
    for pause in pauses:
        due += pause
        time.sleep(max(0.0, due - time.monotonic()))
        with transaction():
            scan = services.submit_scan(intake, key, kind=ScanKind.CHEST_XRAY, indication="Cough", by=patient)
        at = time.monotonic()
        committed[str(scan.id)] = at
    seconds = time.monotonic() - begun
    time.sleep(GAP + 1.5)
    return Uploads(
        waits=[
            each.seen.get(scan_id, at + GIVE_UP_SECONDS) - at
            for scan_id, at in committed.items()
            for each in lists
        ],
        seconds=seconds,
        requests=(sum(each.requests for each in lists) - asked) / len(lists),
        bytes=(sum(each.bytes for each in lists) - received) / len(lists),
    )


class _Pages:
    """A user who opens the worklist twice a second, on another connection and in another process."""

    def __init__(self, stack: Stack, cookie: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._times, told = context.Pipe(duplex=False)
        self._over = context.Event()
        self._process = context.Process(
            target=_visit, args=(stack.url, cookie, self._over, told), daemon=True
        )
        self._process.start()

    def stop(self) -> list[float]:
        """Milliseconds of each visit."""
        self._over.set()
        times: list[float] = self._times.recv()
        self._process.join(30)
        return times


def _visit(url: str, cookie: str, over: Event, told: Connection) -> None:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    times = []
    while not over.wait(0.5):
        start = time.perf_counter()
        connection.request("GET", "/doctor/", headers={"Cookie": cookie, "Accept-Encoding": "br"})
        connection.getresponse().read()
        times.append((time.perf_counter() - start) * 1000)
    connection.close()
    told.send(times)
