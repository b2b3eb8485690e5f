"""Remove orphaned files: a process was killed between storing a file and the commit of the row that would name it.

Nobody sees such files, so they only take space; but they may be pictures of patients. A file is removed when it is
more than a day old and a second check, hours later, still finds no row for it. The second check is needed because
the clock may have been set forward just now, and then a file that is being stored looks old.
"""

import logging
import random
import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from csss.database import db
from csss.picture_formats import STORED_FORMATS
from csss.reports.models import ReportVersion
from csss.scans.models import Prediction, Scan
from csss.scans.previews import PREVIEW, THUMBNAIL, beside
from csss.storage.files import Storage, storage

log = logging.getLogger(__name__)

AGE = timedelta(days=1)
SHARDS = 256  # by the first two digits of the names; one per call
EVERY_SECONDS = 60.0
_AT_ONCE = 500


class OrphanSweep:
    """One process's repeated pass through the storage. Safe to run in several processes at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = random.randrange(SHARDS)  # noqa: S311 - so that several processes look at different places  # nosec B311
        self._looked_at = float("-inf")
        self._seen: dict[int, set[str]] = {}

    def go_on(self) -> int:
        """Check the next shard when it is due; returns how many files were removed."""
        if self._clock() - self._looked_at < EVERY_SECONDS:
            return 0
        self._looked_at = self._clock()
        shard, self._next = self._next, (self._next + 1) % SHARDS
        return self.look_at(shard)

    def look_at(self, shard: int) -> int:
        """Remove files that had no row at the last check either; remember those without a row for the first time."""
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
    """Files older than `AGE` in this shard that no row names, interrupted writes included."""
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
    """The keys of the scans to which these previews and thumbnails may belong."""
    rest = {name.partition("/")[2].rpartition(".")[0] for name in small}
    return {f"scans/{each}.{kind.suffix}" for each in rest for kind in STORED_FORMATS}


def _named(
    column: InstrumentedAttribute[str] | InstrumentedAttribute[str | None], keys: Iterable[str]
) -> set[str]:
    """The keys that a row names."""
    wanted, found = sorted(keys), set[str]()
    for start in range(0, len(wanted), _AT_ONCE):
        found |= {
            key
            for key in db.session.scalars(select(column).where(column.in_(wanted[start : start + _AT_ONCE])))
            if key
        }
    return found
