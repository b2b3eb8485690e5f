"""People and scans for tests, made by the services that make them in life, so that every rule holds for them too."""

import io
import os
import uuid
from datetime import date
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask
from PIL import Image
from sqlalchemy import select, update

from csss.auth.accounts import PatientDetails, register
from csss.auth.models import CodePurpose
from csss.auth.passphrases import set_report_passphrase
from csss.auth.second_factor import Proof
from csss.clock import now
from csss.database import db, transaction
from csss.inference.engine import Result
from csss.jobs import runner
from csss.outbox import OutboxJob
from csss.people.models import AccountState, Sex, User
from csss.people.roles import Role
from csss.prescriptions import services as prescriptions
from csss.prescriptions.lines import Line
from csss.reports import services as reports
from csss.scans import analysis, services
from csss.scans.intake import Intake, take_in
from csss.scans.models import Scan
from csss.scans.services import ReviewText
from csss.scans.states import Agreement, ScanKind, Status
from csss.storage.files import storage
from tests.visitor import Visitor

PASSWORD = "correct horse battery"
PASSPHRASE = "open my report"
LABELS = ("COVID", "Lung_Opacity", "NIH_MERGED", "Normal", "Sick", "Viral_Pneumonia")
ORDER = list(Status)
SEEN = {
    "seen": "1.1"
}  # with an approval the page says what it showed: here the first reading and prescription


# Most tests look at the same few pictures: each is drawn, checked and coloured once.
@lru_cache(maxsize=32)
def picture(width: int = 256, height: int = 240, kind: str = "PNG", mode: str = "L", **save: Any) -> bytes:
    """A picture with soft shapes in it, so that it compresses like a scan and not like noise."""
    y, x = np.mgrid[0:height, 0:width]
    grey = (127 + 100 * np.sin(x / 31) * np.cos(y / 23)).astype(np.uint8)
    target = io.BytesIO()
    Image.fromarray(grey).convert(mode).save(target, kind, **save)
    return target.getvalue()


@lru_cache(maxsize=64)
def taken(content: bytes) -> Intake:
    """The picture as it is stored; the same one is opened only once, since each has a process of its own."""
    return take_in(content, limit=10_000_000)


def reading(top: str = "Normal", confidence: float = 0.91, threshold: float = 0.75, **more: Any) -> Result:
    """What the classifier could have said, for tests that are not about the classifier."""
    rest = (1 - confidence) / (len(LABELS) - 1)
    uncertain = confidence < threshold
    values: dict[str, Any] = {
        "label": "Uncertain" if uncertain else top,
        "top_label": top,
        "confidence": confidence,
        "probabilities": {label: confidence if label == top else rest for label in LABELS},
        "threshold_used": threshold,
        "uncertain": uncertain,
        "reason": "The highest probability is below the threshold." if uncertain else None,
        "model_version": "test-1",
        "model_input_size": "224x224x3",
        "latency_ms": 7.5,
        "heatmap": np.linspace(0, 1, 49, dtype=np.float32).reshape(7, 7),
    }
    return Result(**{**values, **more})


@lru_cache(maxsize=32)
def _heatmap_png(values: bytes, shape: tuple[int, ...]) -> bytes:
    from csss.inference.heatmap import heatmap_png

    return heatmap_png(np.frombuffer(values, np.float32).reshape(shape), 256, 240)


class Clinic:
    """Makes people and scans, and runs jobs as a worker would."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self._people = 0
        self._mailed: dict[Path, int] = {}

    def person(self, role: str, *, active: bool = True, confirmed: bool = True, **more: Any) -> User:
        """An account; its password is PASSWORD."""
        self._people += 1
        details = (
            PatientDetails(date(1980, 2, 29), Sex.FEMALE, "+91 44 5550 0100") if role == "patient" else None
        )
        values = {
            "email": f"{role}{self._people}@csss.example",
            "name": f"{role.capitalize()} {self._people}",
            "password": PASSWORD,
            **more,
        }
        with transaction():
            user = register(role=Role(role), patient=details, **values)
            if active:
                user.state = AccountState.ACTIVE
            if confirmed:
                user.email_confirmed_at = now()
        return user

    def visitor(self, user: User) -> Visitor:
        """This person, signed in."""
        return Visitor(self.app, user)

    def set_passphrase(self, user: User, passphrase: str = PASSPHRASE) -> None:
        with transaction():
            set_report_passphrase(user, passphrase)

    def scan(
        self,
        status: Status = Status.PENDING_AI,
        *,
        patient: User | None = None,
        doctor: User | None = None,
        pharmacist: User | None = None,
        admin: User | None = None,
        result: Result | None = None,
        image: bytes | None = None,
        findings: str = "Clear lungs.",
        kind: ScanKind = ScanKind.CHEST_XRAY,
        indication: str = "Cough for two weeks",
    ) -> Scan:
        """A scan that has been taken, step by step, to `status`."""
        reached = ORDER.index(status)
        patient = patient or self.person("patient")
        intake = taken(image or picture())
        key = storage().put("scans", intake.suffix, intake.content)
        with transaction():
            scan = services.submit_scan(intake, key, kind=kind, indication=indication, by=patient)
        scan_id = scan.id
        if reached >= 1:
            self.analyse(scan_id, doctor := doctor or self.person("doctor"), result or reading())
        if reached >= 2:
            self.verify(scan_id, doctor, findings)
        if reached >= 3:
            self.complete(scan_id, pharmacist or self.person("pharmacist"))
        if reached >= 4:
            self.approve(scan_id, admin or self.person("admin"))
        return db.session.get_one(Scan, scan_id)

    def analyse(self, scan_id: uuid.UUID, doctor: User, result: Result) -> None:
        key = None
        if result.heatmap is not None:
            values = result.heatmap.astype(np.float32)
            key = storage().put("heatmaps", "png", _heatmap_png(values.tobytes(), values.shape))
        with transaction():  # one, or a worker of the stack may be quicker and keep what it reads itself
            run_id = analysis.start(scan_id, by=doctor).id
            assert analysis.keep_result(run_id, result, key)

    def verify(self, scan_id: uuid.UUID, doctor: User, findings: str = "Clear lungs.") -> None:
        written = ReviewText(
            findings, "No active disease.", "Normal chest", Agreement.AGREE, read_myself=True
        )
        with transaction():
            services.verify(scan_id, written, by=doctor)

    def complete(self, scan_id: uuid.UUID, pharmacist: User) -> None:
        lines = [Line("Amoxicillin", "500 mg", "oral", "three times a day", "5 days", "Asked for again.")]
        with transaction():
            prescriptions.complete(scan_id, lines=lines, none_needed=False, notes="With food.", by=pharmacist)

    def approve(self, scan_id: uuid.UUID, admin: User) -> None:
        proof = Proof(admin.id, CodePurpose.APPROVAL, scan_id, "authenticator")
        with transaction():
            reports.approve(scan_id, proof=proof, by=admin)

    def run_jobs(self, *jobs: str) -> None:
        """Do everything that is owed (of these kinds) now, whatever its pause, until nothing is left."""
        for _ in range(10):
            with transaction():
                db.session.execute(update(OutboxJob).values(due_at=now()))
            query = select(OutboxJob.id).where(OutboxJob.done_at.is_(None), OutboxJob.failed_at.is_(None))
            if jobs:
                query = query.where(OutboxJob.job.in_(jobs))
            rows = db.session.scalars(query.order_by(OutboxJob.created_at)).all()
            if not rows:
                return
            for row_id in rows:
                runner.perform(row_id)
                self._tell_mails_apart()
        db.session.remove()

    def _tell_mails_apart(self) -> None:
        """The clock of a file system may stand still from one mail to the next; here each has a time of its own."""
        folder = self.app.config["CSSS"].mail_folder
        made = {path: path.stat().st_mtime_ns for path in Path(folder).glob("*.eml")} if folder else {}
        for path in sorted(
            (path for path in made if made[path] != self._mailed.get(path)), key=made.__getitem__
        ):
            at = max(made[path], *(each + 1000 for each in self._mailed.values()), 0)
            os.utime(path, ns=(at, at))
            self._mailed[path] = path.stat().st_mtime_ns

    @property
    def mail(self) -> list[EmailMessage]:
        """Everything that has been mailed, oldest first."""
        folder = Path(self.app.config["CSSS"].mail_folder)
        files = sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
        return [message_from_bytes(path.read_bytes(), policy=default) for path in files]  # type: ignore[misc]
