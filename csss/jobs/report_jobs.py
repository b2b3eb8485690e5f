"""The reports worker's job."""

import errno
import shutil
import uuid

from flask import current_app
from sqlalchemy import select

from csss.database import db, transaction
from csss.jobs.orphans import OrphanSweep
from csss.jobs.wake import wake
from csss.reports import pdf, render, services
from csss.reports.build import report_context
from csss.reports.models import ReportVersion
from csss.scans import workflow
from csss.scans.models import Addendum, Scan
from csss.scans.storage import storage


def warm_up() -> None:
    """Fonts and style sheet are read once, before the fork."""
    render.warm_up()


_ROOM = 5_000_000  # bytes; a report has some 300,000
_orphans = OrphanSweep()


def between_jobs() -> None:
    """What waits for room on the disk goes on when there is some; and files that nobody names go."""
    wake("render_report", f"OSError: [Errno {errno.ENOSPC}]", _room)
    _orphans.go_on()


def _room() -> bool:
    folder = current_app.config["CSSS"].storage_folder
    return shutil.disk_usage(folder).free > _ROOM


class TooEarly(Exception):
    """Versions are made and mailed in their order; this one comes after its pause."""


def render_report(scan_id: uuid.UUID, cause_id: uuid.UUID) -> None:
    """Make, keep and owe the report version that follows an approval (1) or the n-th addendum (n + 1), once."""
    addendum = db.session.get(Addendum, cause_id)
    version = addendum.number + 1 if addendum else 1
    if _stored(scan_id, version):
        return
    if version > 1 and not _stored(scan_id, version - 1):
        raise TooEarly(f"version {version - 1} of the report of scan {scan_id} has not been stored yet")
    scan = db.session.get_one(Scan, scan_id)
    report = report_context(scan, report_id=str(services.report_id(scan_id, version)), version=version)
    db.session.commit()  # nothing stays open while the PDF is made
    content = render.render_pdf(report, current_app.jinja_env)
    file_key = storage().put("reports", "pdf", content)
    with transaction():
        scan = workflow.lock(scan_id)
        if not _stored(scan_id, version):
            services.keep_version(
                scan, version, file_key=file_key, sha256=pdf.sha256(content), size=len(content)
            )
            file_key = ""
    if file_key:
        storage().delete(file_key)  # another worker was quicker


def _stored(scan_id: uuid.UUID, version: int) -> bool:
    return (
        db.session.scalar(
            select(ReportVersion.id).where(ReportVersion.scan_id == scan_id, ReportVersion.version == version)
        )
        is not None
    )
