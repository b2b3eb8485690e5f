"""Files that no row names: a process was killed between storing one and the commit that would have named it.

Nothing ever looks at them, so they only take room; but they may be pictures of patients. They go when they are more than
a day old and a second look, hours later, finds them unnamed still: the age comes from a clock that may have been set
forward a moment ago, and then a file on its way would look old.
"""

import logging
import random
import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from csss.database import db
from csss.picture_formats import PICTURE_FORMATS
from csss.reports.models import ReportVersion
from csss.scans.models import Prediction, Scan
from csss.scans.previews import PREVIEW, THUMBNAIL, beside
from csss.storage.files import Storage, storage

log = logging.getLogger(__name__)

AGE = timedelta(days=1)
SHARDS = 256  # by the first two digits of their random names; one is looked at each time
EVERY_SECONDS = 60.0
_AT_ONCE = 500


class OrphanSweep:
    """One process's round through the storage, again and again. Any number of processes may."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = random.randrange(SHARDS)  # noqa: S311 - so that several processes look at different places  # nosec B311
        self._looked_at = float("-inf")
        self._seen: dict[int, set[str]] = {}

    def go_on(self) -> int:
        """Look at the next 256th when its time has come; returns how many files were removed."""
        if self._clock() - self._looked_at < EVERY_SECONDS:
            return 0
        self._looked_at = self._clock()
        shard, self._next = self._next, (self._next + 1) % SHARDS
        return self.look_at(shard)

    def look_at(self, shard: int) -> int:
        """Remove what was unnamed at the last look, too; remember what is unnamed for the first time."""
        kept = storage()
        unnamed = unnamed_files(kept, f"{shard:02x}")
        gone = unnamed & self._seen.get(shard, set())
        for name in gone:
            kept.delete(name)
        self._seen[shard] = unnamed - gone
        if gone:
            log.warning("removed %d files that no row names", len(gone))
        return len(gone)


def unnamed_files(kept: Storage, shard: str) -> set[str]:
    """What is older than `AGE` in this part of the storage and named by no row, writes that broke off among it."""
    old = set(kept.old_files(shard, AGE))
    named = _named(Scan.file_key, _in("scans", old))
    named |= _named(Scan.original_key, _in("originals", old))
    named |= _named(Prediction.heatmap_key, _in("heatmaps", old))
    named |= _named(ReportVersion.file_key, _in("reports", old))
    small = _in(PREVIEW.area, old) | _in(THUMBNAIL.area, old)
    for key in _named(Scan.file_key, _scans_of(small)):
        named |= {beside(key, PREVIEW), beside(key, THUMBNAIL)}
    db.session.commit()
    return old - named


def _in(area: str, names: set[str]) -> set[str]:
    return {name for name in names if name.startswith(f"{area}/") and not name.endswith(".partial")}


def _scans_of(small: set[str]) -> set[str]:
    """The keys that the scans of these previews and thumbnails may have."""
    rest = {name.partition("/")[2].rpartition(".")[0] for name in small}
    return {f"scans/{each}.{kind.suffix}" for each in rest for kind in PICTURE_FORMATS}


def _named(
    column: InstrumentedAttribute[str] | InstrumentedAttribute[str | None], keys: Iterable[str]
) -> set[str]:
    """Those of the keys that a row names."""
    wanted, found = sorted(keys), set[str]()
    for start in range(0, len(wanted), _AT_ONCE):
        found |= {
            key
            for key in db.session.scalars(select(column).where(column.in_(wanted[start : start + _AT_ONCE])))
            if key
        }
    return found
