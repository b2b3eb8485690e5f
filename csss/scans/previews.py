"""Small versions of a scan for slow lines: a preview to begin with, a thumbnail for lists.

Both are made together with the picture itself, kept beside it, and made again when they are not there: they are a cache
and no record. Nothing is read from a preview that a doctor could not read again from the full picture, which is one press
away.
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
    """The scan stored under `file_key` as a JPEG of at most `size`; a small version that does not open is made anew.

    Raises FileNotFoundError without the scan, CannotOpen when it does not open, and `csss.confinement.parent.Unfinished`
    when the small version could not be made.
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
    """The key of the small version, which follows from the scan's own: `scans/ab/….png` → `previews/ab/….jpg`."""
    _, _, rest = file_key.partition("/")
    return f"{size.area}/{rest.rpartition('.')[0]}.{FORMAT.suffix}"


def keep_after_commit(file_key: str, taken: Intake) -> None:
    """Keep the small versions once the scan is in the database, so that the first doctor does not wait for them."""
    after_commit(partial(_keep, file_key, taken.small))


def _keep(file_key: str, made: dict[Size, bytes]) -> None:
    try:
        for size, content in made.items():
            storage().keep(beside(file_key, size), content)
    except Exception:
        # The scan is in the database: nothing that goes wrong now may look as if it had been refused. Whoever looks at
        # it first makes the preview, and sees then what is wrong.
        log.exception("the preview of %s could not be kept at intake", file_key)
