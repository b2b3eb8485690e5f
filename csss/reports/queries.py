"""Look up reports, limited to what the user may see."""

import uuid
from collections.abc import Sequence

from sqlalchemy import exists, select
from sqlalchemy.orm import lazyload

from csss.database import db
from csss.errors import NotFound
from csss.i18n import _
from csss.people.models import User
from csss.people.roles import Role
from csss.reports.models import Approval, ReportVersion
from csss.scans.models import Scan
from csss.scans.states import Status


def versions(scan: Scan) -> Sequence[ReportVersion]:
    """All stored versions, oldest first."""
    return db.session.scalars(
        select(ReportVersion).where(ReportVersion.scan_id == scan.id).order_by(ReportVersion.version)
    ).all()


def newest_versions(scan_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, ReportVersion]:
    """The newest stored version of each of these scans, where one exists (one query for a whole list)."""
    rows = db.session.scalars(
        select(ReportVersion)
        .where(ReportVersion.scan_id.in_(scan_ids))
        .order_by(ReportVersion.version)
        .options(lazyload(ReportVersion.scan))
    )
    return {row.scan_id: row for row in rows}


def released(scan: Scan) -> bool:
    """Whether the patient may see it: approved, and the report is stored."""
    return scan.status is Status.REPORT_READY and bool(
        db.session.scalar(select(exists().where(ReportVersion.scan_id == scan.id)))
    )


def approval(scan: Scan) -> Approval | None:
    return db.session.scalars(select(Approval).where(Approval.scan_id == scan.id)).one_or_none()


def report_visible_to(user: User, report_id: uuid.UUID) -> ReportVersion:
    """Staff see any report, patients see their own. Raises NotFound."""
    report = db.session.get(ReportVersion, report_id)
    if report is None or (user.role is Role.PATIENT and report.scan.patient.user_id != user.id):
        raise NotFound(_("There is no such report."))
    return report
