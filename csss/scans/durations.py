"""Estimate how long each step of a scan usually takes, from this hospital's recent scans; no estimate from too few
scans."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from time import monotonic

from flask import current_app
from sqlalchemy import select

from csss.clock import now
from csss.database import db
from csss.scans.models import Scan, ScanEvent
from csss.scans.states import Status

LAST = 200  # number of released scans to evaluate
SINCE = timedelta(days=90)
ENOUGH = 20
_KEEP_SECONDS = 600.0
_KEY = "csss_usual_waits"
# What a person waits for, and the status in which that wait begins.
_WAITS = {
    Status.DOCTOR_VERIFIED: Status.PENDING_AI,
    Status.PHARMACIST_COMPLETED: Status.DOCTOR_VERIFIED,
    Status.REPORT_READY: Status.PHARMACIST_COMPLETED,
}


def usual_waits() -> Mapping[Status, timedelta]:
    """For each step, the time within which three of four scans took it; recalculated every ten minutes."""
    kept: tuple[float, dict[Status, timedelta]] | None = current_app.extensions.get(_KEY)
    if kept is None or monotonic() - kept[0] > _KEEP_SECONDS:
        kept = current_app.extensions[_KEY] = (monotonic(), _reckon())
    return kept[1]


def _reckon() -> dict[Status, timedelta]:
    newest = (
        select(Scan.id)
        .where(Scan.status == Status.REPORT_READY, Scan.uploaded_at > now() - SINCE)
        .order_by(Scan.uploaded_at.desc())
        .limit(LAST)
    )
    steps = db.session.execute(
        select(ScanEvent.scan_id, ScanEvent.became, ScanEvent.at).where(
            ScanEvent.scan_id.in_(newest.scalar_subquery())
        )
    )
    return three_of_four(steps)


def three_of_four(steps: Iterable[tuple[uuid.UUID, Status, datetime]]) -> dict[Status, timedelta]:
    """The 75th percentile of each wait, from (scan, status, time reached); only waits with at least `ENOUGH`
    values."""
    taken: defaultdict[uuid.UUID, dict[Status, datetime]] = defaultdict(dict)
    for scan_id, became, at in steps:
        taken[scan_id][became] = at
    usual = {}
    for step, before in _WAITS.items():
        waits = sorted(at[step] - at[before] for at in taken.values() if step in at and before in at)
        if len(waits) >= ENOUGH:
            usual[step] = waits[(len(waits) * 3 - 1) // 4]
    return usual
