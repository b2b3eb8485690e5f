"""Small versions of a scan for slow lines: a preview to begin with, a thumbnail for lists.

Both are made from the stored picture, kept beside it, and made again when they are not there: they are a cache and no
record. Nothing is read from a preview that a doctor could not read again from the full picture, which is one press away.
"""

import io
import logging
from dataclasses import dataclass
from functools import partial

from PIL import Image

from csss.database import after_commit
from csss.scans.storage import CannotOpen, storage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How large one may be: the longer side in pixels, and bytes (powers of ten)."""

    area: str  # where it is kept
    side: int
    bytes: int


# 512 pixels are more than a phone shows and about what a column of the reading page shows.
PREVIEW = Size("previews", 512, 15_000)
THUMBNAIL = Size("thumbnails", 112, 3_000)
SIZES: dict[str, Size] = {"preview": PREVIEW, "thumbnail": THUMBNAIL}
MEDIA_TYPE = "image/jpeg"

_QUALITIES = (82, 74, 66, 58, 50, 42)


def small(file_key: str, size: Size) -> bytes:
    """The scan stored under `file_key` as a JPEG of at most `size`. Raises FileNotFoundError without the scan, and
    CannotOpen when the scan does not open; a small version that does not open is made anew."""
    kept = storage()
    key = beside(file_key, size)
    try:
        return kept.read(key)
    except (FileNotFoundError, CannotOpen):
        pass
    made = shrink(kept.read(file_key), size)
    kept.keep(key, made)
    return made


def beside(file_key: str, size: Size) -> str:
    """The key of the small version, which follows from the scan's own: `scans/ab/….png` → `previews/ab/….jpg`."""
    _, _, rest = file_key.partition("/")
    return f"{size.area}/{rest.rpartition('.')[0]}.jpg"


def shrink(content: bytes, size: Size) -> bytes:
    """A stored picture as a progressive JPEG within `size`, as sharp as the bytes allow."""
    with Image.open(io.BytesIO(content)) as original:
        original.draft(None, (size.side, size.side))  # a large JPEG is decoded only as finely as needed
        picture = original.convert("L" if original.mode in {"L", "1"} else "RGB")
    picture.thumbnail((size.side, size.side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    while True:
        for quality in _QUALITIES:
            target = io.BytesIO()
            picture.save(target, "JPEG", quality=quality, optimize=True, progressive=True)
            if target.tell() <= size.bytes:
                return target.getvalue()
        # Noise that nothing compresses: fewer pixels.
        picture = picture.resize(
            (max(1, picture.width * 4 // 5), max(1, picture.height * 4 // 5)), Image.Resampling.LANCZOS
        )


def make_after_commit(file_key: str) -> None:
    """Make the preview once the scan is in the database, so that the first doctor does not wait for it."""
    after_commit(partial(_make, file_key))


def _make(file_key: str) -> None:
    try:
        small(file_key, PREVIEW)
    except Exception:
        # The scan is in the database: nothing that goes wrong now may look as if it had been refused. Whoever looks at
        # it first makes the preview, and sees then what is wrong.
        log.exception("the preview of %s could not be made at intake", file_key)
