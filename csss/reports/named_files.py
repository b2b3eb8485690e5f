"""Which stored files the database names, of everybody or of some scans: for checks, and for erasing."""

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
    """A file that has to be there; `sha256` of its contents where that was kept."""

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
    """A file's key, and for a scan those of its preview and thumbnail, whether they have been made or not."""
    yield key
    if key.startswith("scans/"):
        for size in previews.SIZES.values():
            yield previews.beside(key, size)


def problem(kept: Kept) -> str | None:
    """Why this file is not as it was kept, in a sentence; None when it is there, opens, and is what it was."""
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
    """Why files do not open that the database does not name: previews, thumbnails, orphans."""
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
    """Stored files that nothing in the database names: what a process left that was killed between file and row.

    A file stands before its row is committed, so what looks so is looked at once more.
    """
    found = set(storage().stored())
    for _ in range(2):
        db.session.rollback()  # look at what has been committed by now
        found -= {each for kept in named() for each in with_small_ones(kept.key)}
    return sorted(found)
