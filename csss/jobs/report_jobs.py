"""Run the reports worker's job: make and store report versions."""

import errno
import logging
import uuid
from contextlib import suppress

from flask import current_app
from sqlalchemy import select

from csss.confinement.parent import Exhausted
from csss.database import db, transaction
from csss.errors import Hopeless, NotFound
from csss.i18n import _
from csss.jobs.early_retry import wake
from csss.jobs.orphans import OrphanSweep
from csss.reports import pdf, printing, render, services
from csss.reports.build import report_context
from csss.reports.context import ReportContext
from csss.reports.document import ReportRenderError
from csss.reports.models import ReportVersion
from csss.scans import workflow
from csss.scans.models import Addendum, Scan
from csss.storage.files import storage

log = logging.getLogger(__name__)


def warm_up() -> None:
    """Read fonts and style sheet once, before the fork."""
    render.warm_up()


_ROOM = 5_000_000  # bytes; a report has about 300,000
_orphans = OrphanSweep()


def between_jobs() -> None:
    """Retry jobs that failed for lack of disk space once there is some, and remove orphaned files."""
    wake("render_report", f"OSError: [Errno {errno.ENOSPC}]", _room)
    _orphans.go_on()


def _room() -> bool:
    free = storage().free_space()
    return free is None or free > _ROOM


class TooEarly(Exception):
    """Versions are made and mailed in order; this one is retried after its back-off."""


def render_report(scan_id: uuid.UUID, cause_id: uuid.UUID) -> None:
    """Make, store and mail the report version for an approval (1) or the n-th addendum (n + 1), once."""
    addendum = db.session.get(Addendum, cause_id)
    version = addendum.number + 1 if addendum else 1
    if _stored(scan_id, version):
        return
    if version > 1 and not _stored(scan_id, version - 1):
        raise TooEarly(f"version {version - 1} of the report of scan {scan_id} has not been stored yet")
    scan = db.session.get(Scan, scan_id)
    if scan is None:
        return  # its patient has been erased
    report = report_context(scan, report_id=str(services.report_id(scan_id, version)), version=version)
    db.session.commit()  # no transaction stays open while the PDF is made
    content = _printed(report)
    file_key = storage().put("reports", "pdf", content)
    if not _keep(scan_id, version, file_key, content):
        storage().delete(file_key)


def _keep(scan_id: uuid.UUID, version: int, file_key: str, content: bytes) -> bool:
    """False when another worker was first, or the patient has been erased meanwhile."""
    with suppress(NotFound), transaction():
        scan = workflow.lock(scan_id)
        if not _stored(scan_id, version):
            services.keep_version(
                scan, version, file_key=file_key, sha256=pdf.sha256(content), size=len(content)
            )
            return True
    return False


def _printed(report: ReportContext) -> bytes:
    """Raises Hopeless when a retry cannot help: a letter that the fonts lack, texts that are too long."""
    try:
        return printing.print_in_job(report, current_app.jinja_env)
    except ReportRenderError as error:
        raise Hopeless(str(error)) from error
    except Exhausted as error:
        log.warning("report %s, version %d: %s", report.report_id, report.version, error)
        raise Hopeless(
            _("The report takes too much memory or time to be made: its texts are too long.")
        ) from error


def _stored(scan_id: uuid.UUID, version: int) -> bool:
    return (
        db.session.scalar(
            select(ReportVersion.id).where(ReportVersion.scan_id == scan_id, ReportVersion.version == version)
        )
        is not None
    )
