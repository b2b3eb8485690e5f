"""Simulate a few weeks of work before the demo, through the normal services, with past times.

It gives the statistics something to show, and an administrator several reports to approve together. Each picture is
analysed only once, and the workers make the old reports after the start, one by one.
"""

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from flask import current_app
from sqlalchemy import select

from csss.auth.models import CodePurpose
from csss.auth.second_factor import Proof
from csss.clock import now, pretending
from csss.database import db, transaction
from csss.inference import Result
from csss.inference.heatmap import heatmap_png
from csss.jobs.scan_jobs import engine
from csss.notices.models import MailKind, MailMessage, MailState
from csss.outbox import DISPATCHER, OutboxJob
from csss.people.models import User
from csss.picture_formats import PNG
from csss.prescriptions import services as prescriptions
from csss.prescriptions.lines import Line
from csss.reports import services as reports
from csss.scans import analysis, first_impressions, services
from csss.scans.intake import Intake, take_in
from csss.scans.models import Scan
from csss.scans.services import ReviewText
from csss.scans.states import Agreement, Priority, ScanKind
from csss.storage.files import storage

DAYS = 27
RELEASED, WAITING = 22, 6
_FIRST_REPORT, _BETWEEN_REPORTS = timedelta(seconds=45), timedelta(seconds=5)
_WORDS: dict[str, tuple[str, str, str]] = {
    "Normal": ("Both lungs are clear. The heart is of normal size.", "No active disease.", "Normal chest"),
    "COVID": (
        "Patchy opacities in both lungs, more below. No effusion.",
        "Changes on both sides that fit an infection.",
        "Viral pneumonia, COVID-19 likely",
    ),
    "Lung_Opacity": (
        "An opacity in the right lower lobe with an air bronchogram.",
        "Consolidation on the right.",
        "Pneumonia of the right lower lobe",
    ),
    "Viral_Pneumonia": (
        "Perihilar markings are increased on both sides. No effusion.",
        "Bronchial pattern without a focus.",
        "Viral pneumonia",
    ),
    "NIH_MERGED": (
        "The heart is slightly enlarged. Both lungs are clear.",
        "Slightly enlarged heart, no congestion.",
        "Mild cardiomegaly",
    ),
    "Sick": (
        "The left ventricle is enlarged, its wall moves less in front.",
        "Reduced function of the left ventricle.",
        "Ischaemic cardiomyopathy",
    ),
}
_MEDICINES: tuple[tuple[Line, ...], ...] = (
    (),
    (Line("Paracetamol", "500 mg", "oral", "up to four times a day", "5 days"),),
    (Line("Doxycycline", "100 mg", "oral", "twice a day", "5 days"),),
    (Line("Furosemide", "40 mg", "oral", "once a day", "14 days"),),
)


@dataclass(frozen=True)
class Staff:
    """Who does the work. Without an administrator, scans wait for approval."""

    doctor: User
    pharmacist: User
    admin: User | None


@dataclass(frozen=True)
class _Picture:
    """One synthetic picture, stored and analysed once."""

    label: str
    kind: ScanKind
    intake: Intake
    file_key: str
    result: Result
    heatmap_key: str | None


def seed_history(folder: Path, patients: list[User], staff: Staff) -> None:
    """Create the history. `patients` must not be those that visitors use: their lists stay short."""
    chance = random.Random(7)  # noqa: S311 - the same past at every start  # nosec B311
    pictures = list(_pictures(folder))
    taken: dict[uuid.UUID, set[str]] = {}
    dispatch = current_app.extensions[DISPATCHER]
    current_app.extensions[DISPATCHER] = lambda *_: None  # the sweeper enqueues what is left, when it is due
    try:
        for number in range(RELEASED + WAITING):
            waits = number >= RELEASED
            days = chance.uniform(0.3, 2.0) if waits else 2 + (DAYS - 2) * (1 - number / RELEASED)
            begin = now() - timedelta(days=days, hours=chance.uniform(0, 6))
            picture, patient = pictures[number % len(pictures)], patients[number % len(patients)]
            with transaction():
                lines = (
                    _medicines(chance, taken.setdefault(patient.id, set()))
                    if waits or number % 4 == 0
                    else ()
                )
                _one(
                    picture,
                    patient,
                    begin,
                    lines,
                    chance=chance,
                    staff=staff if not waits else replace(staff, admin=None),
                )
        _put_off_reports()
    finally:
        current_app.extensions[DISPATCHER] = dispatch


def _pictures(folder: Path) -> Iterator[_Picture]:
    limit = current_app.config["CSSS"].upload_bytes
    for path in sorted(folder.glob("*.jpg")):
        intake = take_in(path.read_bytes(), limit=limit)
        result = engine().predict(intake.content)
        heatmap_key = None
        if result.heatmap is not None:
            png = heatmap_png(result.heatmap, intake.width, intake.height)
            heatmap_key = storage().put("heatmaps", PNG.suffix, png)
        label = path.stem.rpartition("-")[0]
        kind = ScanKind.CARDIAC_MRI if label == "Sick" else ScanKind.CHEST_XRAY
        file_key = storage().put("scans", intake.suffix, intake.content)
        yield _Picture(label, kind, intake, file_key, result, heatmap_key)


def _medicines(chance: random.Random, taken: set[str]) -> tuple[Line, ...]:
    """Medicines that the patient was not given before, so that no old warning needs a reason."""
    lines = chance.choice(_MEDICINES)
    if any(line.drug in taken for line in lines):
        return ()
    taken.update(line.drug for line in lines)
    return lines


def _one(
    picture: _Picture,
    patient: User,
    begin: datetime,
    lines: tuple[Line, ...],
    *,
    chance: random.Random,
    staff: Staff,
) -> None:
    """One scan from its upload to the prescription, and to the release if there is an administrator."""
    moment = begin
    latest = now() - timedelta(minutes=10)

    def after(hours: float) -> datetime:
        """A random wait of about this many hours: most are shorter, a few much longer. Never in the future."""
        nonlocal moment
        moment = min(moment + timedelta(hours=chance.lognormvariate(0, 0.7) * hours), latest)
        return moment

    with pretending(moment):
        scan_id = services.submit_scan(
            picture.intake,
            picture.file_key,
            kind=picture.kind,
            indication=chance.choice(
                ("Cough", "Fever and cough", "Follow-up", "Breathless on stairs", "Check-up")
            ),
            priority=Priority.URGENT if chance.random() < 0.12 else Priority.ROUTINE,
            by=patient,
        ).id
        db.session.flush()
    with pretending(after(0.6)):
        begun = db.session.get_one(Scan, scan_id).latest_run  # on arrival
        run_id = (begun or analysis.start(scan_id, by=staff.doctor)).id
        analysis.keep_result(run_id, picture.result, picture.heatmap_key)
        _done(run_id)
    with pretending(after(2.5)):
        reading = _reading(picture, chance)
        first_impressions.keep_if_asked(scan_id, reading, by=staff.doctor)
        services.verify(scan_id, reading, by=staff.doctor)
    with pretending(after(1.2)):
        prescriptions.complete(scan_id, lines=lines, none_needed=not lines, notes="", by=staff.pharmacist)
    if (admin := staff.admin) is not None:
        with pretending(after(1.8)):
            proof = Proof(admin.id, CodePurpose.APPROVAL, scan_id, "email_code")
            reports.approve(scan_id, proof=proof, by=admin)
            _mailed(scan_id, patient)


def _reading(picture: _Picture, chance: random.Random) -> ReviewText:
    right = picture.result.label == picture.label
    drawn = chance.random()
    if right:
        agreement = Agreement.AGREE if drawn < 0.9 else Agreement.PARTLY
    else:
        agreement = Agreement.DISAGREE if drawn < 0.6 else Agreement.PARTLY
    return ReviewText(*_WORDS[picture.label], agreement, read_myself=True)


def _done(run_id: uuid.UUID) -> None:
    """Mark the run as done, so that no worker takes it."""
    db.session.flush()
    for row in db.session.scalars(select(OutboxJob).where(OutboxJob.done_at.is_(None))):
        if row.args == [str(run_id)]:
            row.done_at = now()


def _mailed(scan_id: uuid.UUID, patient: User) -> None:
    """The patient was told at that time; when the report is made now, nobody is told again."""
    message_id = uuid.uuid4()
    db.session.add(
        MailMessage(
            id=message_id,
            kind=MailKind.REPORT_READY,
            user_id=patient.id,
            subject_id=reports.report_id(scan_id, 1),
            state=MailState.SENT,
            attempts=1,
            created_at=now(),
            sent_at=now(),
            message_id=f"<{message_id}@{current_app.config['CSSS'].mail_domain}>",
        )
    )


def _put_off_reports() -> None:
    """Schedule the old reports for after the start, one every few seconds, with lower priority than visitors'
    actions."""
    with transaction():
        rows = db.session.scalars(
            select(OutboxJob).where(OutboxJob.job == "render_report", OutboxJob.done_at.is_(None))
        ).all()
        for number, row in enumerate(sorted(rows, key=lambda row: row.created_at, reverse=True)):
            row.created_at = now()
            row.due_at = now() + _FIRST_REPORT + number * _BETWEEN_REPORTS
