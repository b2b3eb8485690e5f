"""Measure server time of pages with 10,000 scans, and of the session check, without a network."""

import random
import statistics
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import insert, update

from csss import create_app
from csss.auth import sessions
from csss.clock import now
from csss.database import db, transaction
from csss.outbox import DISPATCHER
from csss.people import search as searching
from csss.people.models import Patient
from csss.prescriptions.models import Prescription
from csss.scans.models import AnalysisRun, Prediction, Review, Scan, ScanEvent
from csss.scans.states import Agreement, Priority, RunState, ScanKind, Status
from csss.server import settle
from tests.conftest import settings_for
from tests.factories import Clinic, reading
from tests.visitor import Visitor

SCANS = 10_000
PATIENTS = 10_000
ROUNDS = 30
# How many of the 10,000 scans are in each status: mostly archive, as in practice.
SHARES = {
    Status.PENDING_AI: 300,
    Status.AI_ANALYZED: 400,
    Status.DOCTOR_VERIFIED: 200,
    Status.PHARMACIST_COMPLETED: 100,
    Status.REPORT_READY: 9_000,
}
Row = tuple[str, str, str]


def bench_pages(folder: Path) -> list[Row]:
    """p50 of every page that a role often opens, through the whole application including compression."""
    app = create_app(settings_for(folder))
    app.extensions[DISPATCHER] = lambda row_id, queue: None  # no worker runs here
    with app.app_context():
        upgrade()
        people = _people(app)
        samples = _fill(people)
        searching.fill_in(PATIENTS)  # bulk inserts bypass the code that stores search words
        people["patient"] = _owner(app, samples[Status.REPORT_READY])
        settle()  # as in the server
        return [*_page_rows(people, samples), _session_row(people["doctor"])]


def _people(app: Flask) -> dict[str, Visitor]:
    clinic = Clinic(app)
    return {
        role: clinic.visitor(clinic.person(role)) for role in ("patient", "doctor", "pharmacist", "admin")
    }


def _owner(app: Flask, scan_id: uuid.UUID) -> Visitor:
    """The patient of this scan."""
    patient = db.session.get_one(Scan, scan_id).patient
    return Visitor(app, patient.user)


def _page_rows(people: dict[str, Visitor], samples: dict[Status, uuid.UUID]) -> list[Row]:
    rows = []
    for role, what, url in _visits(samples, people["patient"].user.id):
        visitor = people[role]

        def visit(visitor: Visitor = visitor, url: str = url) -> None:
            with visitor.app.app_context():  # each request has its own `g` and database session
                status = visitor.client.get(url, headers={"Accept-Encoding": "br"}).status_code
            assert status == 200, f"{url} answered {status}"

        rows.append(
            (f"{role}: {what}, server time p50 at {SCANS:,} scans", "≤ 15 ms", f"{_p50(visit):.1f} ms")
        )
    return rows


def _visits(samples: dict[Status, uuid.UUID], somebody: uuid.UUID) -> list[tuple[str, str, str]]:
    """Who opens what: every page that grows with the database, and the pages that people use most."""
    return [
        ("doctor", "worklist", "/doctor/"),
        ("doctor", "worklist, searched", "/doctor/?q=patient+12"),
        ("doctor", "worklist, all released, page 100", "/doctor/?status=REPORT_READY&page=100"),
        ("doctor", "worklist, least sure first", "/doctor/?sort=confidence"),
        ("doctor", "reading page", f"/doctor/scans/{samples[Status.AI_ANALYZED]}"),
        ("doctor", "reading page of a released scan", f"/doctor/scans/{samples[Status.REPORT_READY]}"),
        ("doctor", "templates", "/doctor/templates"),
        ("doctor", "help", "/assistant"),
        ("pharmacist", "queue", "/pharmacist/"),
        ("pharmacist", "queue, searched", "/pharmacist/?q=patient+12"),
        ("pharmacist", "prescribing page", f"/pharmacist/scans/{samples[Status.DOCTOR_VERIFIED]}"),
        ("admin", "queue", "/admin/"),
        ("admin", "released reports", "/admin/?show=released"),
        ("admin", "approval page", f"/admin/scans/{samples[Status.PHARMACIST_COMPLETED]}"),
        ("admin", "accounts", "/admin/users"),
        ("admin", "accounts, searched", "/admin/users?q=patient+12"),
        ("admin", "one account", f"/admin/users/{somebody}"),
        ("admin", "mail", "/admin/mail"),
        ("admin", "audit log", "/admin/audit"),
        ("admin", "audit log, one action", "/admin/audit?action=scan.viewed"),
        ("admin", "statistics", "/admin/statistics"),
        ("admin", "models", "/models"),
        ("patient", "own scans", "/patient/"),
        ("patient", "one scan", f"/patient/scans/{samples[Status.REPORT_READY]}"),
        ("patient", "account", "/account"),
    ]


def _session_row(visitor: Visitor) -> Row:
    with transaction():
        _, key = sessions.begin(visitor.user, address="", device="", complete=True)

    def check() -> None:
        db.session.remove()
        assert sessions.find(key, complete=True, idle=timedelta(minutes=60)) is not None

    return ("session check, p50", "≤ 2 ms", f"{_p50(check):.2f} ms")


def _p50(action: Callable[[], object]) -> float:
    """Median milliseconds, after three to warm up."""
    times = []
    for _ in range(ROUNDS + 3):
        start = time.perf_counter()
        action()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times[3:])


def _fill(people: dict[str, Visitor]) -> dict[Status, uuid.UUID]:
    """Create 10,000 scans of 2,000 patients; the statuses advance step by step, as the database requires."""
    draw = random.Random(42)
    doctor, pharmacist = people["doctor"].user.id, people["pharmacist"].user.id
    patients = _patients(draw)
    order = list(Status)
    scans: list[dict[str, Any]] = []
    for status, number in SHARES.items():
        for _ in range(number):
            scans.append(
                {
                    "id": uuid.uuid4(),
                    "patient_id": draw.choice(patients),
                    "kind": ScanKind.CHEST_XRAY,
                    "indication": "Cough for two weeks",
                    "status": Status.PENDING_AI,
                    "priority": Priority.URGENT if draw.random() < 0.1 else Priority.ROUTINE,
                    "uploaded_at": now() - timedelta(minutes=draw.randrange(500_000)),
                    "status_since": now(),
                    "file_key": f"scans/00/{uuid.uuid4().hex}.jpg",
                    "media_type": "image/jpeg",
                    "sha256": "0" * 64,
                    "width": 1024,
                    "height": 1024,
                    "_goal": order.index(status),
                }
            )
    with transaction() as session:
        session.execute(insert(Scan), [{k: v for k, v in scan.items() if k != "_goal"} for scan in scans])
        runs = {scan["id"]: uuid.uuid4() for scan in scans if scan["_goal"] >= 1}
        session.execute(
            insert(AnalysisRun),
            [
                {"id": run, "scan_id": scan, "requested_by_id": doctor, "state": RunState.DONE, "failure": ""}
                for scan, run in runs.items()
            ],
        )
        session.execute(insert(Prediction), [_prediction(draw, scan, run) for scan, run in runs.items()])
        session.execute(insert(Review), [_review(s["id"], doctor) for s in scans if s["_goal"] >= 2])
        session.execute(
            insert(Prescription),
            [
                {
                    "scan_id": s["id"],
                    "version": 1,
                    "pharmacist_id": pharmacist,
                    "none_needed": True,
                    "notes": "",
                }
                for s in scans
                if s["_goal"] >= 3
            ],
        )
        for step, status in enumerate(order):
            reached = [scan["id"] for scan in scans if scan["_goal"] >= step]
            session.execute(
                insert(ScanEvent),
                [
                    {
                        "scan_id": scan,
                        "was": order[step - 1] if step else None,
                        "became": status,
                        "actor_id": doctor,
                        "origin": "bench",
                    }
                    for scan in reached
                ],
            )
            for at in range(0, len(reached) if step else 0, 500):
                session.execute(update(Scan).where(Scan.id.in_(reached[at : at + 500])).values(status=status))
    return {order[scan["_goal"]]: scan["id"] for scan in scans}


def _patients(draw: random.Random) -> list[uuid.UUID]:
    """Accounts in bulk: nobody signs in with them, so they share an unusable password hash."""
    from csss.people.models import AccountState, Sex, User
    from csss.people.roles import Role

    users = [uuid.uuid4() for _ in range(PATIENTS)]
    patients = [uuid.uuid4() for _ in range(PATIENTS)]
    with transaction() as session:
        session.execute(
            insert(User),
            [
                {
                    "id": user,
                    "email": f"bulk{number}@csss.example",
                    "name": f"Patient {number}",
                    "password_hash": "!",
                    "role": Role.PATIENT,
                    "state": AccountState.ACTIVE,
                }
                for number, user in enumerate(users)
            ],
        )
        session.execute(
            insert(Patient),
            [
                {
                    "id": patient,
                    "user_id": user,
                    "mrn": f"{10_000_000 + number}0",
                    "date_of_birth": (now() - timedelta(days=draw.randrange(365, 30_000))).date(),
                    "sex": draw.choice(list(Sex)),
                }
                for number, (patient, user) in enumerate(zip(patients, users, strict=True))
            ],
        )
    return patients


def _prediction(draw: random.Random, scan: uuid.UUID, run: uuid.UUID) -> dict[str, Any]:
    result = reading(confidence=draw.uniform(0.4, 1.0))
    return {
        "scan_id": scan,
        "run_id": run,
        "available": True,
        "label": result.label,
        "top_label": result.top_label,
        "confidence": result.confidence,
        "probabilities": result.probabilities,
        "threshold_used": result.threshold_used,
        "uncertain": result.uncertain,
        "reason": result.reason or "",
        "model_version": result.model_version,
        "model_input_size": result.model_input_size,
        "latency_ms": result.latency_ms,
    }


def _review(scan: uuid.UUID, doctor: uuid.UUID) -> dict[str, Any]:
    return {
        "scan_id": scan,
        "version": 1,
        "doctor_id": doctor,
        "findings": "Clear lungs.",
        "impression": "No active disease.",
        "diagnosis": "Normal chest",
        "agreement": Agreement.AGREE,
        "read_myself": False,
    }
