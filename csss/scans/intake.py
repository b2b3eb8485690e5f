"""Check and accept uploaded pictures: verify the content, decode, turn upright, strip metadata, write again.

This process looks only at the first bytes. A child process with limits on memory, time and pixels opens the
picture, once (`csss.scans.decoder`). Storage receives only what that child wrote from the pixels.
"""

import hashlib
import logging
import math
from dataclasses import dataclass, field

from csss.confinement.child import Program
from csss.confinement.parent import Busy, Exhausted, Room, Unfinished
from csss.errors import Invalid
from csss.i18n import _
from csss.picture_formats import PictureFormat, format_of
from csss.scans import decoder, other_files
from csss.scans.decoder import MAX_RATIO, MIN_SIDE, DecodedPicture, Size, Verdict
from csss.scans.picture_codec import MAX_PIXELS

log = logging.getLogger(__name__)

# Measured with 40 million pixels, the most that is accepted: up to 470 MB (a progressive JPEG for printing, a
# turned PNG with transparency), 610 MB for 16 bits in each of three colours, and 4 s of CPU time. 16 bits with
# transparency would take 1 GB, so such a picture may have at most 25 million pixels.
DECODER = Program(
    "csss.scans.decoder",
    memory=700_000_000,
    cpu_seconds=10,
    seconds=40,
    largest_answer=64_000_000,
    sealed=True,
)
# Two at once use two cores; together they may hold twice the memory that one scan of 40 million pixels needs.
_room = Room(DECODER, at_once=2, patience=15, nice=5)


@dataclass(frozen=True)
class Intake:
    """An accepted picture. `content` is 8-bit grey or RGB, JPEG or PNG; `small` holds its preview and thumbnail.

    `original` is a 16-bit PNG where `content` has fewer grey levels than the upload; otherwise it is empty.
    """

    content: bytes
    media_type: str
    suffix: str
    width: int
    height: int
    sha256: str
    small: dict[Size, bytes] = field(default_factory=dict, repr=False)
    original: bytes = field(default=b"", repr=False)


class TryLater(Invalid):
    """The picture itself is fine, but too many are being checked. The part that has arrived stays."""


def try_later() -> TryLater:
    return TryLater(file=_("Many pictures are being checked at the moment. Send yours again in a minute."))


def warm_up() -> None:
    """Start a child before the first picture arrives."""
    _room.prepare()


def take_in(content: bytes, *, limit: int) -> Intake:
    """Check and rewrite an uploaded picture of at most `limit` bytes.

    Raises Invalid with a sentence for the field `file`.
    """
    kind = look_at(content, limit=limit).kept
    written = rewritten(content)
    check_verdict(written)
    return Intake(
        content=written.content,
        media_type=kind.media_type,
        suffix=kind.suffix,
        width=written.width,
        height=written.height,
        sha256=hashlib.sha256(written.content).hexdigest(),
        small={decoder.PREVIEW: written.preview, decoder.THUMBNAIL: written.thumbnail},
        original=written.original,
    )


def look_at(content: bytes, *, limit: int) -> PictureFormat:
    """Tell the format from the length and the first bytes; opens nothing. Raises Invalid (`file`)."""
    if not content:
        raise Invalid(file=_("The file is empty. Choose the picture again."))
    check_length(len(content), limit=limit)
    kind = format_of(content)
    if kind is None:
        raise Invalid(file=other_files.sentence(content))
    return kind


def shrink(content: bytes, size: Size) -> bytes:
    """Make a small JPEG of a stored picture. Raises Unfinished."""
    return _room.run(decoder.SHRINK[size] + content)


def check_length(length: int, *, limit: int) -> None:
    """Refuse a file of more than `limit` bytes before reading it. Raises Invalid for the field `file`."""
    if length > limit:
        # Round up: a file slightly above the limit must not appear to have exactly the limit's size.
        megabytes = math.ceil(length / 1e5) / 10
        raise Invalid(
            file=_(
                "The file has %(size)s MB; at most %(most)s MB can be taken.",
                size=f"{megabytes:.1f}",
                most=f"{limit / 1e6:.0f}",
            )
        )


def rewritten(content: bytes) -> DecodedPicture:
    """The child's answer about a picture that `look_at` has accepted. Raises Invalid (`file`) when there is none."""
    try:
        return decoder.unpack(_room.run(decoder.TAKE_IN + content))
    except Busy as error:
        log.warning("a picture has to wait: %s", error)
        raise try_later() from None
    except (Unfinished, ValueError) as error:
        log.warning("a picture could not be checked within its limits: %s", error)
        if isinstance(error, Exhausted):
            raise Invalid(
                file=_(
                    "The picture takes too much memory or time to open. Save it as an ordinary JPEG or PNG and send "
                    "that."
                )
            ) from None
        raise Invalid(
            file=_("The picture could not be opened. Save it as an ordinary JPEG or PNG and send that.")
        ) from None


def check_verdict(written: DecodedPicture) -> None:
    """Raise Invalid unless the decoder accepted the picture."""
    if written.verdict is Verdict.DAMAGED:
        raise Invalid(
            file=_("The picture cannot be read to its end. It may be damaged or cut off; save it again.")
        )
    if written.verdict is Verdict.TOO_MANY_PIXELS:
        raise Invalid(
            file=_(
                "The picture has too many pixels; at most %(most)s million can be taken.",
                most=MAX_PIXELS // 1_000_000,
            )
        )
    if written.verdict is Verdict.TOO_SMALL:
        raise Invalid(
            file=_(
                "The picture has %(width)s × %(height)s pixels; a scan needs at least %(least)s on each side.",
                width=written.width,
                height=written.height,
                least=MIN_SIDE,
            )
        )
    if written.verdict is Verdict.TOO_LONG:
        raise Invalid(
            file=_(
                "The picture has %(width)s × %(height)s pixels: one side is more than %(most)s times as "
                "long as the other. No scan has this shape: send the whole picture of the scan.",
                width=written.width,
                height=written.height,
                most=MAX_RATIO,
            )
        )
    if written.verdict is Verdict.TRANSPARENT:
        raise Invalid(
            file=_(
                "Much of the picture is transparent, so its greys depend on what is behind it. Save it without "
                "transparency, as an ordinary JPEG or PNG, and send that."
            )
        )
    if written.verdict is Verdict.UNSUPPORTED:
        raise Invalid(
            file=_(
                "This sort of JPEG cannot be read here (12 bits, lossless or arithmetic coding). Save it as an ordinary "
                "JPEG or PNG and send that."
            )
        )
