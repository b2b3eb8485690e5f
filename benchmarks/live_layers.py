"""Measure what each layer of the live region saves: the CPU time of a list's refresh with all layers, and without
each one.

It runs in process, so without network and without waiting turns (for those see `benchmarks.streams`). Each round
removes every layer once, so that load on the machine affects all of them; the quickest round is printed.
"""

import re
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import brotli
from flask import Flask
from flask_migrate import upgrade

from benchmarks.visits import fill
from csss import create_app
from csss.database import db, transaction
from csss.outbox import DISPATCHER
from csss.people.models import User
from csss.scans import services
from csss.scans.models import Scan
from csss.scans.states import Priority
from csss.server import settle
from csss.web.doctor import routes, worklist
from csss.web.live_region import rows
from csss.web.live_region.stream import HUB
from tests.conftest import settings_for
from tests.factories import Clinic
from tests.visitor import Visitor

Row = tuple[str, str, str]
LISTS, REFRESHES, ROUNDS = 6, 5, 4
LAYERS = {
    "all layers": {},
    "no shared look-up": {(worklist, "looked_up_once"): lambda key, look_up: look_up()},
    "no rows rendered once": {(rows, "_rendered"): rows._rendered.__wrapped__},  # type: ignore[attr-defined]
    "every row sent again": {(routes, "rows_to_send"): lambda found: [row.html for row in found]},
}


def bench_live_layers(folder: Path) -> list[Row]:
    """A change of one of 30 scans, then thirty refreshes by six doctors."""
    app = create_app(settings_for(folder))
    app.extensions[DISPATCHER] = lambda row_id, queue: None  # no worker runs here
    app.extensions[HUB] = hub = SimpleNamespace(version="0", has_room=True)
    with app.app_context():
        upgrade()
        clinic = Clinic(app)
        fill(clinic, 30)
        doctors = [clinic.visitor(clinic.person("doctor")) for _ in range(LISTS)]
        settle()  # as in the server
    spent = {name: list[float]() for name in LAYERS}
    size = dict[str, int]()
    for number in range(ROUNDS * len(LAYERS)):
        name = list(LAYERS)[number % len(LAYERS)]
        with _without(name):
            version, have, first = _opened(app, doctors[0])
            _change(app, first, doctors[0].user_id)
            hub.version = str(number + 1)
            start = time.process_time()
            for at in range(LISTS * REFRESHES):
                _, size[name] = _ask(app, doctors[at % LISTS], version, have)
            spent[name].append((time.process_time() - start) / LISTS / REFRESHES * 1000)
    return [
        (
            f"a list's refresh after a change, processor time, {name}",
            "–",
            f"{min(spent[name]):.1f} ms, {size[name] / 1000:.2f} kB",
        )
        for name in LAYERS
    ]


@contextmanager
def _without(name: str) -> Iterator[None]:
    with ExitStack() as stack:
        for (module, attribute), instead in LAYERS[name].items():
            stack.enter_context(patch.object(module, attribute, instead))
        yield


def _ask(app: Flask, doctor: Visitor, version: str, have: str) -> tuple[str, int]:
    """The fragment as text, and how many bytes it takes."""
    headers = {"HX-Request": "true", "X-CSSS-Refresh": version, "X-CSSS-Have": have, "Accept-Encoding": "br"}
    with app.app_context():
        answer = doctor.client.get("/doctor/?sort=newest", headers=headers)
    assert answer.status_code == 200
    content = answer.get_data()
    return brotli.decompress(content).decode(), len(content)


def _opened(app: Flask, doctor: Visitor) -> tuple[str, str, uuid.UUID]:
    """The version that the list shows, its rows' versions, and its first scan."""
    text, _ = _ask(app, doctor, "1", "")
    found = re.findall(r'id="scan-([0-9a-f-]+)" data-v="(\w+)"', text)
    version = re.search(r'data-version="(\w+)"', text)
    assert version
    return version[1], ",".join(row for _, row in found), uuid.UUID(found[0][0])


def _change(app: Flask, scan_id: uuid.UUID, doctor_id: uuid.UUID) -> None:
    with app.app_context(), transaction():
        urgent = db.session.get_one(Scan, scan_id).priority is Priority.URGENT
        by = db.session.get_one(User, doctor_id)
        services.set_priority(scan_id, Priority.ROUTINE if urgent else Priority.URGENT, by=by)
