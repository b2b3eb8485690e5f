"""Provide small versions of a scan for slow connections: a preview to show first, and a thumbnail for lists.

Both are made together with the picture, stored beside it, and made again when they are missing: they are a cache
and no record. A doctor never depends on a preview, because the full picture is one click away.
"""

import logging
from functools import partial

from csss.database import after_commit
from csss.picture_formats import JPEG
from csss.scans import intake
from csss.scans.decoder import PREVIEW, THUMBNAIL, Size
from csss.scans.intake import Intake
from csss.storage.files import CannotOpen, storage

log = logging.getLogger(__name__)

SIZES: dict[str, Size] = {"preview": PREVIEW, "thumbnail": THUMBNAIL}
FORMAT = JPEG


def small(file_key: str, size: Size) -> bytes:
    """The scan stored under `file_key` as a JPEG of at most `size`; a small version that cannot be opened is made
    again.

    Raises FileNotFoundError without the scan, CannotOpen when it does not open, and
    `csss.confinement.parent.Unfinished` when the small version could not be made.
    """
    kept = storage()
    key = beside(file_key, size)
    try:
        return kept.read(key)
    except (FileNotFoundError, CannotOpen):
        pass
    made = intake.shrink(kept.read(file_key), size)
    kept.keep(key, made)
    return made


def beside(file_key: str, size: Size) -> str:
    """The key of the small version, derived from the scan's key: `scans/ab/….png` → `previews/ab/….jpg`."""
    _, _, rest = file_key.partition("/")
    return f"{size.area}/{rest.rpartition('.')[0]}.{FORMAT.suffix}"


def keep_after_commit(file_key: str, taken: Intake) -> None:
    """Store the small versions after the scan's commit, so that the first doctor does not wait for them."""
    after_commit(partial(_keep, file_key, taken.small))


def _keep(file_key: str, made: dict[Size, bytes]) -> None:
    try:
        for size, content in made.items():
            storage().keep(beside(file_key, size), content)
    except Exception:
        # The scan is in the database, so an error now must not look like a refused upload. The first person who
        # opens the scan makes the preview, and sees an error then.
        log.exception("the preview of %s could not be stored at intake", file_key)
