"""The conditions by which a doctor narrows the worklist, as values and as SQL."""

import uuid
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, Uuid, bindparam, or_, select

from csss.clock import now
from csss.database import UTCDateTime
from csss.scans.claims import ScanClaim
from csss.scans.models import Prediction, Review, Scan
from csss.scans.states import Priority, ScanKind


@dataclass(frozen=True)
class ScanFilter:
    """What a scan must be to be listed; None asks for nothing.

    `until` itself is excluded. `finding` is the classifier's stored answer, unless that was given in silence. `reader`
    is a doctor who has claimed or signed the scan; `unread` asks for scans that no doctor has claimed or signed.
    """

    kind: ScanKind | None = None
    since: datetime | None = None
    until: datetime | None = None
    finding: str | None = None
    reader: uuid.UUID | None = None
    unread: bool | None = None
    priority: Priority | None = None

    @property
    def asked(self) -> tuple[str, ...]:
        """The names of the conditions, by which statements are cached."""
        return tuple(each.name for each in fields(self) if getattr(self, each.name) is not None)

    @property
    def values(self) -> dict[str, Any]:
        """The parameters for `conditions(asked)`."""
        found = {f"only_{name}": getattr(self, name) for name in self.asked if name != "unread"}
        return {**found, "claimed_at": now()} if {"reader", "unread"} & set(self.asked) else found


EVERY_SCAN = ScanFilter()


def conditions(asked: tuple[str, ...]) -> list[ColumnElement[bool]]:
    """The conditions with these names."""
    claimed = select(ScanClaim.scan_id).where(
        ScanClaim.expires_at > bindparam("claimed_at", type_=UTCDateTime)
    )
    reader: Any = bindparam("only_reader", type_=Uuid)
    found: dict[str, ColumnElement[bool]] = {
        "kind": Scan.kind == bindparam("only_kind", type_=Scan.kind.type),
        "since": Scan.uploaded_at >= bindparam("only_since", type_=UTCDateTime),
        "until": Scan.uploaded_at < bindparam("only_until", type_=UTCDateTime),
        "finding": Scan.id.in_(
            select(Prediction.scan_id).where(
                Prediction.label == bindparam("only_finding", type_=String), Prediction.silent.is_(False)
            )
        ),
        "reader": or_(
            Scan.id.in_(claimed.where(ScanClaim.doctor_id == reader)),
            Scan.id.in_(select(Review.scan_id).where(Review.doctor_id == reader)),
        ),
        "unread": Scan.id.not_in(claimed) & Scan.id.not_in(select(Review.scan_id)),
        "priority": Scan.priority == bindparam("only_priority", type_=Scan.priority.type),
    }
    return [found[name] for name in asked]
