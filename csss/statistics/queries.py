"""Count with the database alone. Results are cached for a minute, because they are the same for everybody."""

import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import (
    CTE,
    ColumnElement,
    Float,
    Integer,
    case,
    cast,
    column,
    exists,
    extract,
    func,
    or_,
    select,
    values,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased

from csss.clock import now
from csss.database import UTCDateTime, db
from csss.notices.models import MailMessage
from csss.scans import critical_results
from csss.scans.critical_models import CriticalEvent, CriticalResult, CriticalStep
from csss.scans.models import Prediction, Review, ScanClosure, ScanEvent
from csss.scans.queries import counts
from csss.scans.states import Agreement, Status
from csss.scans.together_models import SecondReading, SecondReadingRequest
from csss.statistics.figures import (
    Bucket,
    Criticals,
    Figures,
    Minds,
    Readings,
    Seconds,
    Verdicts,
    Wait,
    buckets,
)

KEPT_SECONDS = 60
_KEPT = "csss_statistics"
_lock = threading.Lock()


def figures(days: int) -> Figures:
    """The figures of the last `days` days, at most a minute old."""
    kept: dict[int, tuple[float, Figures]] = current_app.extensions.setdefault(_KEPT, {})
    with _lock:
        found = kept.get(days)
    if found is not None and time.monotonic() - found[0] < KEPT_SECONDS:
        return found[1]
    made = count(days)
    with _lock:
        kept[days] = (time.monotonic(), made)
    return made


def count(days: int) -> Figures:
    """The current figures of the last `days` days."""
    at = now()
    parts = buckets(days, current_app.config["CSSS"].zone, at)
    since, until = parts[0].begins, parts[-1].ends
    return Figures(
        days=days,
        made_at=at,
        buckets=parts,
        steps=_steps(parts),
        standing={status: number for status, number in counts().items() if status is not Status.REPORT_READY},
        closed=_closed(parts),
        waits=_waits(since, until, whole=False),
        whole_way=_waits(since, until, whole=True).get(Status.REPORT_READY),
        verdicts=_verdicts(since, until),
        readings=_readings(since, until),
        minds=_minds(since, until),
        criticals=_criticals(since, until),
        seconds=_seconds_of(since, until),
        mails=_mails(since, until),
    )


def as_table(parts: tuple[Bucket, ...]) -> CTE:
    """The buckets as a table, so that each becomes one range of an index."""
    return (
        values(
            column("number", Integer),
            column("begins", UTCDateTime()),
            column("ends", UTCDateTime()),
            name="parts",
        )
        .data([(number, each.begins, each.ends) for number, each in enumerate(parts)])
        .cte("buckets")
    )


def inside(moment: InstrumentedAttribute[datetime], table: CTE) -> ColumnElement[bool]:
    return (moment >= table.c.begins) & (moment < table.c.ends)


def _steps(parts: tuple[Bucket, ...]) -> Mapping[Status, tuple[int, ...]]:
    table = as_table(parts)
    rows = db.session.execute(
        select(table.c.number, ScanEvent.became, func.count())
        .join(ScanEvent, inside(ScanEvent.at, table))
        .group_by(table.c.number, ScanEvent.became)
    )
    found = {(number, status): count for number, status, count in rows}
    return {
        status: tuple(found.get((number, status), 0) for number in range(len(parts))) for status in Status
    }


def _closed(parts: tuple[Bucket, ...]) -> tuple[int, ...]:
    table = as_table(parts)
    rows = db.session.execute(
        select(table.c.number, func.count())
        .join(ScanClosure, inside(ScanClosure.closed_at, table))
        .where(ScanClosure.withdrawn.is_(False))  # what a patient has withdrawn was no doctor's work
        .group_by(table.c.number)
    )
    found = {number: count for number, count in rows}
    return tuple(found.get(number, 0) for number in range(len(parts)))


def _seconds(start: Any, end: Any) -> ColumnElement[float]:
    if db.engine.dialect.name == "sqlite":
        return (func.julianday(end) - func.julianday(start)) * 86_400.0
    return cast(extract("epoch", end - start), Float)


def _waits(since: datetime, until: datetime, *, whole: bool) -> Mapping[Status, Wait]:
    """Median and ninetieth percentile, by nearest rank, of the time since the previous step, or since the upload."""
    before = aliased(ScanEvent)
    seconds = _seconds(before.at, ScanEvent.at)
    earlier = before.became == (Status.PENDING_AI if whole else ScanEvent.was)
    waits = (
        select(
            ScanEvent.became,
            seconds.label("seconds"),
            func.row_number().over(partition_by=ScanEvent.became, order_by=seconds).label("place"),
            func.count().over(partition_by=ScanEvent.became).label("number"),
        )
        .join(before, (before.scan_id == ScanEvent.scan_id) & earlier)
        .where(ScanEvent.at >= since, ScanEvent.at < until)
    )
    if whole:
        waits = waits.where(ScanEvent.became == Status.REPORT_READY)
    ranked = waits.subquery()

    def at(tenths: int) -> ColumnElement[float]:
        place = (ranked.c.number * tenths + 9) // 10  # rounded up
        return func.max(case((ranked.c.place == place, ranked.c.seconds)))

    rows = db.session.execute(
        select(ranked.c.became, ranked.c.number, at(5), at(9)).group_by(ranked.c.became, ranked.c.number)
    )
    return {
        status: Wait(number, timedelta(seconds=float(median)), timedelta(seconds=float(p90)))
        for status, number, median, p90 in rows
    }


def _verdicts(since: datetime, until: datetime) -> Mapping[str, Verdicts]:
    """What the newest version of each reading in this period says about the classifier."""
    rows = db.session.execute(
        select(Prediction.label, Review.agreement, func.count())
        .join(Prediction, Prediction.scan_id == Review.scan_id)
        .where(Review.created_at >= since, Review.created_at < until, Prediction.available, ~_replaced())
        .group_by(Prediction.label, Review.agreement)
    )
    found: dict[str, dict[Agreement | None, int]] = {}
    for label, agreement, number in rows:
        found.setdefault(label, {})[agreement] = number
    return {
        label: Verdicts({each: by.get(each, 0) for each in Agreement}, by.get(None, 0))
        for label, by in found.items()
    }


def _replaced() -> ColumnElement[bool]:
    newer = aliased(Review)
    return exists().where(newer.scan_id == Review.scan_id, newer.version > Review.version)


def _minds(since: datetime, until: datetime) -> Minds:
    """The newest version of each reading in this period whose doctor had written a first impression."""
    changed = func.sum(case((Review.changed_mind.is_(True), 1), else_=0))
    row = db.session.execute(
        select(func.count(), changed).where(
            Review.created_at >= since,
            Review.created_at < until,
            Review.changed_mind.is_not(None),
            ~_replaced(),
        )
    ).one()
    return Minds(int(row[0]), int(row[1] or 0))


def _criticals(since: datetime, until: datetime) -> Criticals:
    """The critical results marked in this period. They are few, so they are sorted here."""
    taken = aliased(CriticalEvent)
    rows = db.session.execute(
        select(CriticalResult.marked_at, taken.at)
        .outerjoin(taken, (taken.result_id == CriticalResult.id) & (taken.what == CriticalStep.ACKNOWLEDGED))
        .where(
            CriticalResult.marked_at >= since,
            CriticalResult.marked_at < until,
            or_(taken.at.is_not(None), CriticalResult.settled_at.is_(None)),
        )
    ).all()
    most, at = critical_results.limit(), now()
    waits = sorted(taken_at - marked_at for marked_at, taken_at in rows if taken_at is not None)
    late = sum(taken_at is None and at - marked_at > most for marked_at, taken_at in rows)
    within = sum(wait <= most for wait in waits)
    number = len(waits)
    middle = Wait(number, waits[(number + 1) // 2 - 1], waits[-(-number * 9 // 10) - 1]) if waits else None
    return Criticals(len(rows), middle, number + late, within)


def _seconds_of(since: datetime, until: datetime) -> Seconds:
    """The second readings that were asked for in this period."""
    same = func.sum(case((SecondReading.same, 1), else_=0))
    row = db.session.execute(
        select(func.count(), func.count(SecondReading.request_id), same)
        .select_from(SecondReadingRequest)
        .outerjoin(SecondReading, SecondReading.request_id == SecondReadingRequest.id)
        .where(SecondReadingRequest.asked_at >= since, SecondReadingRequest.asked_at < until)
    ).one()
    return Seconds(int(row[0]), int(row[1]), int(row[2] or 0))


def _readings(since: datetime, until: datetime) -> Readings:
    uncertain = case((Prediction.uncertain & Prediction.available, 1), else_=0)
    without = case((Prediction.available, 0), else_=1)
    row = db.session.execute(
        select(func.count(), func.sum(uncertain), func.sum(without)).where(
            Prediction.created_at >= since, Prediction.created_at < until
        )
    ).one()
    total, unsure, none = int(row[0]), int(row[1] or 0), int(row[2] or 0)
    return Readings(total - unsure - none, unsure, none)


def _mails(since: datetime, until: datetime) -> Mapping[Any, int]:
    rows = db.session.execute(
        select(MailMessage.kind, MailMessage.state, func.count())
        .where(MailMessage.created_at >= since, MailMessage.created_at < until)
        .group_by(MailMessage.kind, MailMessage.state)
    )
    return {(kind, state): number for kind, state, number in rows}
