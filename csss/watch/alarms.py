"""Open an alarm when a figure leaves its limits, close it when it is back, and tell administrators once."""

import logging
import time
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from csss.audit.record import record
from csss.clock import now
from csss.database import db, transaction
from csss.errors import NotFound
from csss.i18n import _
from csss.notices.models import MailKind
from csss.notices.services import owe
from csss.people.models import AccountState, User
from csss.people.roles import Role
from csss.scans.states import ScanKind
from csss.watch import queries
from csss.watch.figures import Figure, FigureComparison, WatchedKind, began
from csss.watch.models import WatchAlarm, WhyClosed

log = logging.getLogger(__name__)

TRY_SECONDS = 60
SHOWN = 50
_LOOKED = "csss_watch_looked"
_Key = tuple[ScanKind, Figure, str]


def look_once_a_day() -> None:
    """Look when a day has begun since this process last looked. Workers ask every few seconds.

    Safe to run in several processes at once: all of them see the same windows, and the database takes only one open
    alarm for the same thing.
    """
    at = queries.looked_at()
    day, again_at = current_app.extensions.get(_LOOKED, (None, 0.0))
    if day == at or time.monotonic() < again_at:
        return
    current_app.extensions[_LOOKED] = (day, time.monotonic() + TRY_SECONDS)
    look()
    current_app.extensions[_LOOKED] = (at, 0.0)


def look() -> list[WatchAlarm]:
    """Look at the version that has read the newest scan. Returns the alarms that were opened."""
    at = queries.looked_at()
    versions = queries.versions_before(at)
    found = queries.count(versions[0], at) if versions else ()
    db.session.commit()  # no transaction stays open while it is being compared
    if not found or not _something_to_write(found, at):
        return []
    try:
        with transaction():
            return _keep(found, at)
    except IntegrityError:
        log.info("another worker has opened the same alarm")
        return []


def _something_to_write(found: Sequence[WatchedKind], at: datetime) -> bool:
    """Most looks change nothing, and then they take no write lock."""
    some_open = db.session.scalars(
        select(WatchAlarm.id).where(WatchAlarm.closed_at.is_(None)).limit(1)
    ).first()
    db.session.commit()
    return some_open is not None or any(each.is_outside for kind in found for each in kind.compared)


def _keep(found: Sequence[WatchedKind], at: datetime) -> list[WatchAlarm]:
    version = found[0].version
    still_open: dict[_Key, WatchAlarm] = {}
    for alarm in db.session.scalars(
        select(WatchAlarm).where(WatchAlarm.closed_at.is_(None)).with_for_update()
    ):
        if alarm.model_version == version:
            still_open[alarm.kind, alarm.figure, alarm.answer] = alarm
        else:
            _close(alarm, WhyClosed.REPLACED)
    opened: list[WatchAlarm] = []
    moment = now()
    for kind in found:
        for each in kind.compared:
            same = still_open.get((kind.kind, each.figure, each.answer))
            if same is not None:
                _go_on(same, kind, each, at)
            elif each.is_outside:
                opened.append(_open(kind, each, at, moment))
    db.session.flush()
    _tell(opened)
    return opened


def _open(kind: WatchedKind, found: FigureComparison, at: datetime, moment: datetime) -> WatchAlarm:
    level = found.level
    alarm = WatchAlarm(
        id=uuid.uuid4(),
        model_version=kind.version,
        kind=kind.kind,
        figure=found.figure,
        answer=found.answer,
        higher=found.higher,
        was=found.was,
        now=found.now,
        edge=level.edge if level else None,
        share_was=level.share_was if level else None,
        share_now=level.share_now if level else None,
        since=began(kind.later, found),
        opened_at=moment,
        last_seen_at=at,
    )
    db.session.add(alarm)
    record("watch.alarm_opened", alarm, **_detail(alarm), was=alarm.was, now=alarm.now)
    return alarm


def _go_on(alarm: WatchAlarm, kind: WatchedKind, found: FigureComparison, at: datetime) -> None:
    """It is closed when a whole window has passed since the first look that found it within its limits."""
    if not found.is_compared:
        return
    if found.is_outside:
        alarm.last_seen_at, alarm.within_since = max(alarm.last_seen_at, at), None
    elif alarm.within_since is None:
        alarm.within_since = at
    elif kind.recent.moment(0) >= alarm.within_since:
        _close(alarm, WhyClosed.WITHIN)


def _close(alarm: WatchAlarm, why: WhyClosed) -> None:
    alarm.closed_at, alarm.closed_why = now(), why
    record("watch.alarm_closed", alarm, **_detail(alarm), why=why.value)


def _detail(alarm: WatchAlarm) -> dict[str, Any]:
    return {
        "version": alarm.model_version,
        "kind": alarm.kind.value,
        "figure": alarm.figure.value,
        **({"answer": alarm.answer} if alarm.answer else {}),
    }


def _tell(opened: Sequence[WatchAlarm]) -> None:
    """One message to each administrator about everything that one look has found."""
    if not opened:
        return
    administrators = select(User).where(User.role == Role.ADMIN, User.state == AccountState.ACTIVE)
    for user in db.session.scalars(administrators.order_by(User.id)):
        owe(MailKind.WATCH_ALARM, user, opened[0].id)


def opened_with(alarm_id: uuid.UUID) -> Sequence[WatchAlarm]:
    """The alarms of the look that opened this one: what the message about it tells."""
    first = db.session.get(WatchAlarm, alarm_id)
    if first is None:
        return ()
    return _newest(WatchAlarm.opened_at == first.opened_at)


def _newest(condition: ColumnElement[bool]) -> Sequence[WatchAlarm]:
    query = select(WatchAlarm).where(condition).options(joinedload(WatchAlarm.seen_by))
    return db.session.scalars(query.order_by(WatchAlarm.opened_at.desc(), WatchAlarm.id).limit(SHOWN)).all()


def unseen() -> Sequence[WatchAlarm]:
    """Alarms that no administrator has seen, also those that are closed by now."""
    return _newest(WatchAlarm.seen_at.is_(None))


def of_version(version: str) -> Sequence[WatchAlarm]:
    """The newest alarms of a version, and whatever is not seen or still open."""
    return _newest(
        or_(WatchAlarm.model_version == version, WatchAlarm.seen_at.is_(None), WatchAlarm.closed_at.is_(None))
    )


def open_alarms() -> dict[tuple[str, ScanKind], int]:
    """How many alarms are open, by version and kind of scan."""
    rows = db.session.execute(
        select(WatchAlarm.model_version, WatchAlarm.kind, func.count())
        .where(WatchAlarm.closed_at.is_(None))
        .group_by(WatchAlarm.model_version, WatchAlarm.kind)
    )
    return {(version, kind): number for version, kind, number in rows}


def see(alarm_id: uuid.UUID, *, by: User) -> WatchAlarm:
    """An administrator has seen it: it leaves the start page. The first one counts. Raises NotFound."""
    alarm = db.session.get(WatchAlarm, alarm_id, with_for_update=True, populate_existing=True)
    if alarm is None:
        raise NotFound(_("There is no such alarm."))
    if alarm.seen_at is None:
        alarm.seen_at, alarm.seen_by_id = now(), by.id
        record("watch.alarm_seen", alarm, by=by, **_detail(alarm))
    return alarm
