"""Simulate a few weeks of work before the demo, through the normal services, with past times.

It gives the statistics something to show, and an administrator several reports to approve together. Each picture is
analysed only once, and the workers make the old reports after the start, one by one.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from flask import current_app
from sqlalchemy import select

from csss.auth.models import CodePurpose
from csss.auth.second_factor import Proof
from csss.clock import now, pretending
from csss.database import db, transaction
from csss.demo.diary import Diary
from csss.demo.stories import PEOPLE, RELEASED, WAITING, Story
from csss.inference import Result
from csss.inference.heatmap import heatmap_png
from csss.jobs.scan_jobs import engine
from csss.notices.models import MailKind, MailMessage, MailState
from csss.outbox import DISPATCHER, OutboxJob
from csss.people.models import User
from csss.picture_formats import PNG
from csss.prescriptions import services as prescriptions
from csss.prescriptions import stated_facts
from csss.prescriptions.stated_facts import Stated
from csss.reports import services as reports
from csss.scans import analysis, first_impressions, services
from csss.scans.intake import Intake, take_in
from csss.scans.models import Scan
from csss.scans.services import ReviewText
from csss.scans.states import Priority, ScanKind
from csss.storage.files import storage

_FIRST_REPORT, _BETWEEN_REPORTS = timedelta(seconds=45), timedelta(seconds=5)


@dataclass(frozen=True)
class Staff:
    """Who does the work. Without an administrator, scans wait for approval."""

    doctor: User
    pharmacist: User
    admin: User | None


@dataclass(frozen=True)
class _Picture:
    """One synthetic picture, stored and analysed once."""

    kind: ScanKind
    intake: Intake
    file_key: str
    result: Result
    heatmap_key: str | None


def seed_history(folder: Path, patients: Mapping[str, User], staff: Staff, diary: Diary) -> None:
    """Create the history. `patients` must not be those that visitors use: their lists stay short."""
    pictures = dict(_pictures(folder))
    dispatch = current_app.extensions[DISPATCHER]
    current_app.extensions[DISPATCHER] = lambda *_: None  # the sweeper enqueues what is left, when it is due
    try:
        for story in (*RELEASED, *WAITING):
            signs = staff if story in RELEASED else replace(staff, admin=None)
            with transaction():
                _one(story, pictures[story.picture], patients[story.who], signs, diary)
        _put_off_reports()
    finally:
        current_app.extensions[DISPATCHER] = dispatch


def _pictures(folder: Path) -> Iterator[tuple[str, _Picture]]:
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
        yield path.stem, _Picture(kind, intake, file_key, result, heatmap_key)


def _one(story: Story, picture: _Picture, patient: User, staff: Staff, diary: Diary) -> None:
    """One scan from its upload to the prescription, and to the release if there is an administrator."""
    moment, person = diary.morning(story.days_ago), next(each for each in PEOPLE if each.name == story.who)
    with pretending(moment):
        scan_id = services.submit_scan(
            picture.intake,
            picture.file_key,
            kind=picture.kind,
            indication=story.indication,
            priority=Priority.URGENT if story.urgent else Priority.ROUTINE,
            by=patient,
        ).id
        db.session.flush()
        stated_facts.state(scan_id, Stated(weight=person.weight, pregnancy=person.pregnancy), by=patient)
    with pretending(moment := diary.later(moment, 20)):
        begun = db.session.get_one(Scan, scan_id).latest_run  # on arrival
        run_id = (begun or analysis.start(scan_id, by=staff.doctor)).id
        analysis.keep_result(run_id, picture.result, picture.heatmap_key)
        _done(run_id)
    with pretending(moment := diary.later(moment, 75)):
        told = story.reading
        reading = ReviewText(told.findings, told.impression, told.diagnosis, told.agreement, read_myself=True)
        first_impressions.keep_if_asked(scan_id, reading, by=staff.doctor)
        services.verify(scan_id, reading, by=staff.doctor)
    with pretending(moment := diary.later(moment, 45)):
        prescriptions.complete(
            scan_id,
            lines=told.medicines,
            none_needed=not told.medicines,
            notes=told.notes,
            by=staff.pharmacist,
        )
    if (admin := staff.admin) is not None:
        with pretending(diary.later(moment, 50)):
            proof = Proof(admin.id, CodePurpose.APPROVAL, scan_id, "email_code")
            reports.approve(scan_id, proof=proof, by=admin)
            _mailed(scan_id, patient)


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
