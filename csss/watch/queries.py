"""Read the windows of the watch from the database. Every query is bounded by a number of scans or by weeks."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from datetime import time as time_of_day
from typing import Any, TypeVar

import numpy as np
from flask import current_app
from sqlalchemy import ColumnElement, Select, case, exists, func, or_, select
from sqlalchemy.orm import aliased

from csss.clock import now
from csss.database import db
from csss.dates import in_hospital
from csss.inference.classes import belongs_to
from csss.inference.labels import LATERAL, UNLIKE
from csss.picture_formats import JPEG
from csss.scans.models import Prediction, Review, Scan
from csss.scans.states import Agreement, ScanKind
from csss.statistics.figures import buckets
from csss.statistics.queries import as_table, inside
from csss.watch.figures import (
    MOST,
    REFERENCE,
    Figure,
    FigureComparison,
    ReadScans,
    WatchedKind,
    Week,
    watch,
    week,
)

WEEKS = 12
VERSIONS = 5
"""Versions that can be looked at; alarms are about the first, which has read the newest scan."""
KEPT_SECONDS = 600
_KEPT = "csss_watch"
T = TypeVar("T")
_lock = threading.Lock()


def looked_at() -> datetime:
    """The hospital's last midnight. Until the next one every process sees the same windows, so a day has one look."""
    today = in_hospital(now())
    return datetime.combine(today.date(), time_of_day.min, tzinfo=today.tzinfo)


def versions() -> list[str]:
    """The versions whose scans are watched, the one that has read the newest scan first; looked up at most every ten
    minutes, because the database reads every prediction for it."""
    return list(_kept("", versions_before))


def versions_before(at: datetime) -> Sequence[str]:
    """The same, looked up now."""
    newest = func.max(Prediction.created_at)
    return db.session.scalars(
        select(Prediction.model_version)
        .where(Prediction.mean_grey.is_not(None), Prediction.created_at < at)
        .group_by(Prediction.model_version)
        .order_by(newest.desc())
        .limit(VERSIONS)
    ).all()


def watched_kinds(version: str) -> tuple[WatchedKind, ...]:
    """Each kind of scan that this version has read, as of the last midnight; counted at most every ten minutes."""
    return _kept(version, lambda at: count(version, at))


def _kept(name: str, make: Callable[[datetime], T]) -> T:
    """What `make` gives for the last midnight, at most ten minutes old."""
    kept: dict[tuple[str, datetime], tuple[float, Any]] = current_app.extensions.setdefault(_KEPT, {})
    key = name, looked_at()
    with _lock:
        found = kept.get(key)
    if found is not None and time.monotonic() - found[0] < KEPT_SECONDS:
        made: T = found[1]
        return made
    made = make(key[1])
    with _lock:
        for old in [each for each in kept if each[1] != key[1]]:
            del kept[old]
        kept[key] = (time.monotonic(), made)
    return made


def count(version: str, at: datetime) -> tuple[WatchedKind, ...]:
    """Each kind of scan that this version has read before `at`, and what doctors said of it, week by week."""
    names = _classes(version)
    found = []
    for kind in ScanKind:
        answers = [name for name in names if belongs_to(name, kind)]
        each = _watched(version, kind, at, answers)
        if len(each.reference):
            found.append(replace(each, weeks=_weeks(each)))
    return tuple(found)


def _classes(version: str) -> Sequence[str]:
    query = select(Prediction.probabilities).where(
        Prediction.model_version == version, Prediction.mean_grey.is_not(None)
    )
    return list(db.session.scalar(query.order_by(Prediction.created_at).limit(1)) or ())


def _watched(version: str, kind: ScanKind, at: datetime, answers: Sequence[str]) -> WatchedKind:
    query = _scans(version, kind, at)
    first = db.session.execute(query.order_by(Prediction.created_at, Prediction.id).limit(REFERENCE)).all()
    reference = _as_scans(first)
    later: Sequence[Any] = ()
    if len(first) == REFERENCE:
        newest = (Prediction.created_at.desc(), Prediction.id.desc())
        after = query.where(Prediction.created_at > first[-1].created_at)
        later = db.session.execute(after.order_by(*newest).limit(MOST)).all()[::-1]
    return watch(version, kind, at, reference, _as_scans(later), answers)


def _scans(version: str, kind: ScanKind, at: datetime) -> Select[*tuple[Any, ...]]:
    agreement = (
        select(Review.agreement)
        .where(Review.scan_id == Prediction.scan_id, Review.created_at < at)
        .order_by(Review.version.desc())
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(
            Prediction.created_at,
            Prediction.label,
            Prediction.uncertain,
            or_(
                Prediction.reason.contains(UNLIKE, autoescape=True),
                Prediction.reason.contains(LATERAL, autoescape=True),
            ).label("refused"),
            Prediction.outlier_score,
            Prediction.mean_grey,
            Prediction.contrast,
            Scan.width,
            Scan.height,
            (Scan.media_type == JPEG.media_type).label("jpeg"),
            Scan.original_key.is_not(None).label("sixteen_bits"),
            agreement.label("agreement"),
        )
        .join(Scan, Scan.id == Prediction.scan_id)
        .where(
            Prediction.model_version == version,
            Prediction.mean_grey.is_not(None),
            Prediction.created_at < at,
            Scan.kind == kind,
        )
    )


def _as_scans(rows: Sequence[Any]) -> ReadScans:
    numbers = np.array(
        [
            (
                row.created_at.timestamp(),
                row.refused,
                np.nan if row.refused else row.uncertain,
                np.nan if row.uncertain or row.agreement is None else row.agreement == Agreement.AGREE,
                row.jpeg,
                row.sixteen_bits,
                np.nan if row.outlier_score is None else row.outlier_score,
                row.width * row.height / 1_000_000,
                row.width / row.height,
                row.mean_grey,
                np.nan if row.contrast is None else row.contrast,
            )
            for row in rows
        ],
        np.float64,
    ).reshape(len(rows), 11)
    named = (
        Figure.REFUSED,
        Figure.UNCERTAIN,
        Figure.AGREEMENT,
        Figure.JPEG,
        Figure.SIXTEEN_BITS,
        Figure.OUTLIER_SCORE,
        Figure.SIZE,
        Figure.SHAPE,
        Figure.MEAN_GREY,
        Figure.CONTRAST,
    )
    answers = np.array(["" if row.uncertain else row.label for row in rows], np.str_)
    return ReadScans(numbers[:, 0], {name: numbers[:, place] for place, name in enumerate(named, 1)}, answers)


def _weeks(found: WatchedKind) -> tuple[Week, ...]:
    """What doctors said of certain answers in each of the last weeks, by the newest version of each reading.

    Predictions from before the watch count, too: without that condition the database begins with the readings of each
    week and not with all predictions of the version.
    """
    agreement = next(
        (each for each in found.compared if each.figure is Figure.AGREEMENT),
        FigureComparison(Figure.AGREEMENT, "", 0, 0),
    )
    parts = buckets(7 * WEEKS, current_app.config["CSSS"].zone, found.at - timedelta(seconds=1))
    table = as_table(parts)
    newer = aliased(Review)
    replaced: ColumnElement[bool] = exists().where(
        newer.scan_id == Review.scan_id, newer.version > Review.version
    )
    agreed = func.sum(case((Review.agreement == Agreement.AGREE, 1), else_=0))
    rows = db.session.execute(
        select(table.c.number, func.count(), agreed)
        .join(Review, inside(Review.created_at, table))
        .join(Prediction, Prediction.scan_id == Review.scan_id)
        .join(Scan, Scan.id == Prediction.scan_id)
        .where(
            Prediction.model_version == found.version,
            ~Prediction.uncertain,
            Scan.kind == found.kind,
            Review.agreement.is_not(None),
            ~replaced,
        )
        .group_by(table.c.number)
    )
    said = {number: (total, int(agreeing)) for number, total, agreeing in rows}
    return tuple(week(part.begins, *said.get(number, (0, 0)), agreement) for number, part in enumerate(parts))
