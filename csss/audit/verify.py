"""Verify the whole chain, and describe each problem in a sentence."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from csss.audit.anchors import Anchor
from csss.audit.chain import BEGINNING, ChainHead, Key, canonical, head, link
from csss.audit.models import AuditEvent, AuditSeal
from csss.database import db

KEY_CHANGED = "secret_key.changed"  # detail: "key", the id of the new one, and "earlier", those whose seals were checked
_BLOCK = 1_000


@dataclass
class ChainVerdict:
    """The result of a verification. `events` is the number of seals checked, `keys` are the ids of the keys that
    made them, as far as their seals were checked, now or when the key was changed."""

    events: int = 0
    head: ChainHead = field(default_factory=ChainHead)
    anchors: int = 0
    keys: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        return not self.problems


def verify(keys: Sequence[Key], anchors: Sequence[Anchor] = ()) -> ChainVerdict:
    """Check every event and every seal. `keys` are the secret keys so far, `anchors` heads stored elsewhere.

    It finds every event that was changed, removed, inserted or moved without the secret key; at the end of the log,
    as far as the newest anchor reaches. It cannot find changes by somebody who has the key and all anchors.

    When the key was changed (`csss.keys.change`), the event about that is sealed with the new key over the hashes
    of everything before, so seals of the previous key need no second check; after that event they are invalid.
    """
    verdict = ChainVerdict(head=head(), anchors=len(anchors))
    kept = {anchor.number: anchor for anchor in anchors}
    seals = _Seals(keys)
    number, before = 0, BEGINNING
    for row in _sealed(verdict.head.number):
        if row.number > number + 1:
            verdict.problems.append(_missing(number + 1, row.number - 1))
        number = row.number
        verdict.events += 1
        whole = row.id is not None and link(before, canonical(number, row)) == row.hash
        if row.id is None:
            verdict.problems.append(f"Event {number} is gone; its seal is still there.")
        elif not whole:
            verdict.problems.append(
                f"Event {number} ({row.action}, {_moment(row.at)}) is not what was sealed: "
                "it, its place or its seal was changed."
            )
        if told := seals.look(row, whole=whole):
            verdict.problems.append(told)
        anchor = kept.pop(number, None)
        if anchor is not None and anchor.hash != row.hash:
            verdict.problems.append(
                f"Event {number} had another seal on {_moment(anchor.at)}: "
                "the log up to there has been rewritten since."
            )
        before = row.hash
    verdict.problems += [_cut_off(anchor, verdict.head.number) for anchor in _beyond(kept.values(), number)]
    verdict.problems += seals.with_unknown_keys()
    verdict.keys = seals.accounted_for()
    verdict.problems += _never_sealed()
    return verdict


class _Seals:
    """Which keys made the seals, checked in order."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._known = {key.id: key for key in keys}
        self._seen: set[str] = set()
        self._unknown: dict[str, list[int]] = {}  # events by the id of a key that was not provided
        self._replaced: dict[str, int] = {}  # the id of a key, and the event that replaced it

    def look(self, row: Row[Any], *, whole: bool) -> str | None:
        """What is wrong with this event's seal. `whole`: whether event and hash are unchanged."""
        self._seen.add(row.key_id)
        key = self._known.get(row.key_id)
        signed = key is not None and key.signed(row.hash, row.mac)
        if signed and whole and row.action == KEY_CHANGED and row.detail["key"] == row.key_id:
            for earlier in row.detail["earlier"]:
                self._unknown.pop(earlier, None)
                self._replaced[earlier] = row.number
            self._replaced.pop(row.key_id, None)
        if row.key_id in self._replaced:
            return (
                f"The seal of event {row.number} was made with a secret key that event "
                f"{self._replaced[row.key_id]} had replaced."
            )
        if key is None:
            self._unknown.setdefault(row.key_id, []).append(row.number)
        elif not signed:
            return f"The seal of event {row.number} was made by somebody without the secret key."
        return None

    def accounted_for(self) -> set[str]:
        return self._seen - self._unknown.keys()

    def with_unknown_keys(self) -> list[str]:
        events = sorted(itertools.chain.from_iterable(self._unknown.values()))
        if not events:
            return []
        return [
            f"The seals of {len(events)} events, from event {events[0]} to event {events[-1]}, were made with "
            "another secret key. If the key was changed, give the earlier one with --key-file."
        ]


def _sealed(last: int) -> Iterator[Row[Any]]:
    """Every seal up to number `last` with its event, in order; the event's columns are None when it is gone."""
    number: int | None = None
    while True:
        query = (
            select(
                AuditSeal.number,
                AuditSeal.hash,
                AuditSeal.mac,
                AuditSeal.key_id,
                *AuditEvent.__table__.columns,
            )
            .outerjoin(AuditEvent, AuditEvent.id == AuditSeal.event_id)
            .where(AuditSeal.number <= last)
            .order_by(AuditSeal.number)
            .limit(_BLOCK)
        )
        if number is not None:
            query = query.where(AuditSeal.number > number)
        rows = db.session.execute(query).all()
        yield from rows
        if len(rows) < _BLOCK:
            return
        number = rows[-1].number


def _never_sealed() -> list[str]:
    rows = db.session.execute(
        select(AuditEvent.id, AuditEvent.action, AuditEvent.at)
        .outerjoin(AuditSeal, AuditSeal.event_id == AuditEvent.id)
        .where(AuditSeal.event_id.is_(None))
        .order_by(AuditEvent.id)
    )
    return [
        f"The event with the id {row.id} ({row.action}, {_moment(row.at)}) has no seal: it was inserted without the "
        "application, its seal was removed, or an earlier release wrote it during an update (csss audit seal)."
        for row in rows
    ]


def _beyond(anchors: Any, last: int) -> list[Anchor]:
    """Anchors of events that no longer exist, reported once, by the newest."""
    return sorted((each for each in anchors if each.number > last), key=lambda each: each.number)[-1:]


def _missing(first: int, last: int) -> str:
    if first == last:
        return f"Event {first} is missing, with its seal."
    return f"Events {first} to {last} are missing, with their seals."


def _cut_off(anchor: Anchor, last: int) -> str:
    return (
        f"The log ends with event {last}, but on {_moment(anchor.at)} it reached event {anchor.number}: "
        "its end was removed."
    )


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
