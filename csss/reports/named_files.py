"""List the stored files that the database names, of all scans or of some, for checks and for erasing."""

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from csss.database import db
from csss.reports.models import ReportVersion
from csss.scans import previews
from csss.scans.models import Prediction, Scan
from csss.storage.files import CannotOpen, storage

_BLOCK = 1_000


@dataclass(frozen=True)
class Kept:
    """A file that must exist; `sha256` is the hash of its content, where it was recorded."""

    key: str
    sha256: str | None


def named(scan_ids: Sequence[uuid.UUID] | None = None) -> Iterator[Kept]:
    """Every file that the database names (of these scans): pictures, originals, heat maps, reports."""
    scans = select(Scan.file_key, Scan.sha256)
    originals = select(Scan.original_key, Scan.original_sha256).where(Scan.original_key.is_not(None))
    maps = select(Prediction.heatmap_key).where(Prediction.heatmap_key.is_not(None))
    reports = select(ReportVersion.file_key, ReportVersion.sha256)
    if scan_ids is not None:
        scans = scans.where(Scan.id.in_(scan_ids))
        originals = originals.where(Scan.id.in_(scan_ids))
        maps = maps.where(Prediction.scan_id.in_(scan_ids))
        reports = reports.where(ReportVersion.scan_id.in_(scan_ids))
    for key, sha256 in db.session.execute(scans.execution_options(yield_per=_BLOCK)):
        yield Kept(key, sha256)
    for original_key, original_sha256 in db.session.execute(originals.execution_options(yield_per=_BLOCK)):
        yield Kept(str(original_key), original_sha256)
    for heatmap_key in db.session.scalars(maps.execution_options(yield_per=_BLOCK)):
        yield Kept(str(heatmap_key), None)
    for key, sha256 in db.session.execute(reports.execution_options(yield_per=_BLOCK)):
        yield Kept(key, sha256)


def with_small_ones(key: str) -> Iterator[str]:
    """A file's key, and for a scan the keys of its preview and thumbnail, whether or not they exist."""
    yield key
    if key.startswith("scans/"):
        for size in previews.SIZES.values():
            yield previews.beside(key, size)


def problem(kept: Kept) -> str | None:
    """Say what is wrong with this file; None when it exists, opens, and has its original content."""
    try:
        content = storage().read(kept.key)
    except FileNotFoundError:
        return f"The stored file {kept.key} is missing."
    except CannotOpen as error:
        return str(error)
    if kept.sha256 is not None and hashlib.sha256(content).hexdigest() != kept.sha256:
        return f"The stored file {kept.key} is not what was stored: its contents have changed."
    return None


def unnamed_problems() -> list[str]:
    """List files that the database does not name and that do not open: previews, thumbnails, orphans."""
    known, found = {kept.key for kept in named()}, []
    for key in storage().stored():
        if key in known:
            continue
        try:
            storage().read(key)
        except FileNotFoundError:
            continue  # removed meanwhile
        except CannotOpen as error:
            found.append(str(error))
    return found


def orphans() -> list[str]:
    """Stored files that no row names: left by a process that was killed between writing the file and committing the
    row.

    A file is written before its row is committed, so each candidate is checked a second time.
    """
    found = set(storage().stored())
    for _ in range(2):
        db.session.rollback()  # a new snapshot, to see what has been committed meanwhile
        found -= {each for kept in named() for each in with_small_ones(kept.key)}
    return sorted(found)
