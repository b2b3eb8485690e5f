"""Simulate fifty users with Locust: patients who send scans, doctors at the live worklist, pharmacists,
administrators.

`benchmarks/load.py` creates their accounts and starts this; figures in brackets are per person. Pages and uploads
count as requests; a live stream is only held open, as in a browser.
"""

import base64
import hashlib
import io
import itertools
import json
import os
import random
import re
import uuid
from pathlib import Path

import gevent
import numpy as np
from locust import HttpUser, constant_pacing, events, task
from locust.runners import Runner
from PIL import Image

# Written by benchmarks/load.py: {"doctor": [cookie header, …], …, "uploads_a_minute": 20}
PEOPLE = json.loads(Path(os.environ["CSSS_LOAD_PEOPLE"]).read_text())
_next = {role: itertools.cycle(cookies) for role, cookies in PEOPLE["cookies"].items()}
_uploads = itertools.count()
GAP, SPREAD = 2.0, 0.4  # as in static/js/live.js


class Person(HttpUser):
    """A signed-in user."""

    abstract = True
    role = ""

    def on_start(self) -> None:
        self.client.headers["Cookie"] = next(_next[self.role])
        self.client.headers["Accept-Encoding"] = "br, gzip"
        self.token = ""

    def page(self, path: str, name: str) -> str:
        with self.client.get(path, name=name, catch_response=True, allow_redirects=False) as answer:
            if answer.status_code != 200:
                answer.failure(f"answered {answer.status_code}")
            found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', answer.text or "")
            if found:
                self.token = found[1]
            for cookie in answer.headers.get("Set-Cookie", "").split(","):
                if cookie.strip().startswith(self.client.headers["Cookie"].partition("=")[0] + "="):
                    self.client.headers["Cookie"] = cookie.strip().partition(";")[0]
            return answer.text or ""

    def submit(self, path: str, name: str, fields: dict[str, str], *allowed: int) -> None:
        """Submit a form. Others work on the same scans, so a conflict (409) may be allowed."""
        data = {"csrf_token": self.token, **fields}
        with self.client.post(path, data, name=name, catch_response=True, allow_redirects=False) as answer:
            if answer.status_code in {303, *allowed}:
                answer.success()
            else:
                answer.failure(f"answered {answer.status_code}")


class Patient(Person):
    """Twenty uploads a minute in total, chunked as in the browser; in between, the patient opens the own scans."""

    role = "patient"
    fixed_count = PEOPLE["numbers"]["patient"]
    wait_time = constant_pacing(60 * fixed_count / PEOPLE["uploads_a_minute"])

    def on_start(self) -> None:
        super().on_start()
        gevent.sleep(random.uniform(0, 60 * self.fixed_count / PEOPLE["uploads_a_minute"]))

    @task
    def send_a_scan(self) -> None:
        self.page("/patient/", "patient: own scans")
        picture = new_picture()
        digest = base64.b64encode(hashlib.sha256(picture).digest()).decode()
        headers = {"X-CSRFToken": self.token}
        with self.client.post(
            "/patient/uploads",
            name="upload: begin",
            headers=headers | {"Upload-Length": str(len(picture)), "Repr-Digest": f"sha-256=:{digest}:"},
            catch_response=True,
        ) as begun:
            if begun.status_code != 201:
                begun.failure(f"answered {begun.status_code}")
                return
        place, offset = begun.headers["Location"], 0
        while offset < len(picture):
            piece = picture[offset : offset + 262_144]
            with self.client.patch(
                place,
                piece,
                name="upload: piece",
                headers=headers
                | {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)},
                catch_response=True,
            ) as answer:
                if answer.status_code != 204:
                    answer.failure(f"answered {answer.status_code}")
                    return
            offset += len(piece)
        fields = {
            "kind": "chest_xray",
            "indication": f"Load {next(_uploads)}",
            "upload": place.rpartition("/")[2],
        }
        self.submit("/patient/scans", "upload: the scan's form", fields)
        self.page("/patient/", "patient: own scans")


class Doctor(Person):
    """The worklist with its live stream; the doctor opens the first waiting scan and starts its analysis."""

    role = "doctor"
    fixed_count = PEOPLE["numbers"]["doctor"]
    wait_time = constant_pacing(10)

    def on_start(self) -> None:
        super().on_start()
        self.version, self.rows = "1", dict[str, str]()
        self.stream = gevent.spawn(self._listen)
        gevent.sleep(random.uniform(0, 10))

    def on_stop(self) -> None:
        self.stream.kill()

    @task
    def read(self) -> None:
        html = self.page("/doctor/", "doctor: worklist")
        self.page("/doctor/?q=patient", "doctor: worklist, searched")
        waiting = re.findall(r'id="scan-([0-9a-f-]{36})"', html)
        if not waiting:
            return
        # Mostly a different scan than colleagues.
        scan_id = random.choice(waiting[:10])
        page = self.page(f"/doctor/scans/{scan_id}", "doctor: reading page")
        for part in ("image", "preview"):
            if f"/scans/{scan_id}/{part}" in page:
                self.client.get(f"/scans/{scan_id}/{part}", name=f"a scan's {part}")
                break
        if f"/doctor/scans/{scan_id}/analyze" in page:
            self.submit(f"/doctor/scans/{scan_id}/analyze", "doctor: start an analysis", {}, 409)

    def _listen(self) -> None:
        """Do what static/js/live.js does: listen, collect, wait for the gap, refresh with the known versions."""
        while True:
            with self.client.get(
                "/events", name="live: stream opened", stream=True, timeout=900, catch_response=True
            ) as answer:
                if answer.status_code != 200:
                    answer.failure(f"answered {answer.status_code}")
                    gevent.sleep(5)
                    continue
                answer.success()
                for line in answer.iter_lines():
                    if line.startswith(b"data: ") and b"queue" in line:
                        gevent.sleep(random.uniform(0, SPREAD))
                        self._refresh()
                        gevent.sleep(GAP)

    def _refresh(self) -> None:
        headers = {
            "HX-Request": "true",
            "X-CSSS-Refresh": self.version,
            "X-CSSS-Have": ",".join(self.rows.values()),
        }
        with self.client.get(
            "/doctor/", name="live: worklist's rows", headers=headers, catch_response=True
        ) as answer:
            if answer.status_code not in {200, 204}:
                answer.failure(f"answered {answer.status_code}")
            elif answer.status_code == 200:
                self.version = answer.headers.get("X-CSSS-Version", "1")
                fresh = dict(re.findall(r'id="scan-([0-9a-f-]+)" data-v="(\w+)"', answer.text))
                had = list(self.rows)
                kept = [
                    had[int(at)]
                    for at in re.findall(r'<tr data-same="(\d+)">', answer.text)
                    if int(at) < len(had)
                ]
                self.rows = {key: self.rows[key] for key in kept} | fresh


class Pharmacist(Person):
    """The queue, and the first prescription in it."""

    role = "pharmacist"
    fixed_count = PEOPLE["numbers"]["pharmacist"]
    wait_time = constant_pacing(10)

    @task
    def look(self) -> None:
        html = self.page("/pharmacist/", "pharmacist: queue")
        found = re.findall(r"/pharmacist/scans/([0-9a-f-]{36})", html)
        if found:
            self.page(f"/pharmacist/scans/{random.choice(found)}", "pharmacist: prescribing page")


class Administrator(Person):
    """All pages that an administrator opens in the course of a day."""

    role = "admin"
    fixed_count = PEOPLE["numbers"]["admin"]
    wait_time = constant_pacing(10)

    @task
    def look(self) -> None:
        html = self.page("/admin/", "admin: queue")
        found = re.findall(r"/admin/scans/([0-9a-f-]{36})", html)
        if found:
            self.page(f"/admin/scans/{random.choice(found)}", "admin: approval page")
        self.page("/admin/audit", "admin: audit log")
        self.page("/admin/mail", "admin: mail log")
        self.page("/admin/jobs", "admin: jobs")


def new_picture() -> bytes:
    """A new picture of 1024 × 1024 pixels, about as large in bytes as a chest X-ray."""
    draw = np.random.default_rng(uuid.uuid4().int)
    coarse = draw.integers(0, 255, (24, 24)).astype(np.uint8)
    target = io.BytesIO()
    Image.fromarray(coarse).resize((1024, 1024), Image.Resampling.BICUBIC).save(target, "JPEG", quality=92)
    return target.getvalue()


@events.quitting.add_listener
def _keep(environment: object, **_: object) -> None:
    """Save all results for benchmarks/load.py; Locust's exit code would only count failures."""
    runner: Runner = environment.runner  # type: ignore[attr-defined]
    stats = runner.stats
    Path(os.environ["CSSS_LOAD_RESULT"]).write_text(
        json.dumps(
            {
                "rows": [
                    {
                        "name": row.name,
                        "requests": row.num_requests,
                        "failures": row.num_failures,
                        "p50": row.get_response_time_percentile(0.5),
                        "p95": row.get_response_time_percentile(0.95),
                        "times": {str(time): number for time, number in row.response_times.items()},
                    }
                    for row in sorted(stats.entries.values(), key=lambda row: row.name)
                ],
                "errors": [
                    f"{error.method} {error.name}: {error.error} ({error.occurrences}×)"
                    for error in stats.errors.values()
                ],
            }
        )
    )
