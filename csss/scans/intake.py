"""Taking in a picture: checked by its content, decoded, turned upright, stripped, written anew.

This process looks at no more than the first bytes. The picture is opened once, in a child process with limits on memory,
time and pixels (`csss.scans.decoder`); what is stored is what that child wrote from the pixels.
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
from csss.scans import decoder
from csss.scans.decoder import MAX_RATIO, MIN_SIDE, DecodedPicture, Size, Verdict
from csss.scans.picture_codec import MAX_PIXELS

log = logging.getLogger(__name__)

# Measured on 40 million pixels, the most that is taken: up to 470 MB (a progressive JPEG for printing, a turned PNG with
# transparency), 610 MB for sixteen bits in each of three colours, and 4 s of a processor. Sixteen bits with transparency
# would take 1 GB: of such a picture no more than 25 million pixels are opened.
DECODER = Program(
    "csss.scans.decoder",
    memory=700_000_000,
    cpu_seconds=10,
    seconds=40,
    largest_answer=64_000_000,
    sealed=True,
)
# Two at once fill two cores, and together they may hold what one scan of 40 million pixels needs, twice.
_room = Room(DECODER, at_once=2, patience=15, nice=5)


@dataclass(frozen=True)
class Intake:
    """An accepted picture. `content` is 8-bit grey or RGB, JPEG or PNG; `small` holds its preview and thumbnail.

    `original` is a PNG with all sixteen bits where `content` has fewer grey levels than were sent; else empty.
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
    """Nothing is wrong with the picture: too many are being checked. What has arrived of it stays."""


def try_later() -> TryLater:
    return TryLater(file=_("Many pictures are being checked just now. Send yours again in a minute."))


def warm_up() -> None:
    """Have a child ready before the first picture comes."""
    _room.prepare()


def take_in(content: bytes, *, limit: int) -> Intake:
    """Check and rewrite an uploaded picture of at most `limit` bytes.

    Raises Invalid with a sentence for the field `file`.
    """
    kind = look_at(content, limit=limit)
    written = _rewritten(content)
    _check(written)
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
    """The format, as far as the length and the first bytes tell: nothing is opened. Raises Invalid (`file`)."""
    if not content:
        raise Invalid(file=_("The file is empty. Choose the picture again."))
    check_length(len(content), limit=limit)
    kind = format_of(content)
    if kind is None:
        raise Invalid(file=_("This is not a JPEG or PNG picture, whatever its name says."))
    return kind


def shrink(content: bytes, size: Size) -> bytes:
    """A stored picture as a small JPEG. Raises Unfinished."""
    return _room.run(decoder.SHRINK[size] + content)


def check_length(length: int, *, limit: int) -> None:
    """Refuse a file of more than `limit` bytes, before it is read. Raises Invalid for the field `file`."""
    if length > limit:
        # Rounded up, so that a file a little above the limit is not said to be exactly as large.
        megabytes = math.ceil(length / 1e5) / 10
        raise Invalid(
            file=_(
                "The file has %(size)s MB; at most %(most)s MB can be taken.",
                size=f"{megabytes:.1f}",
                most=f"{limit / 1e6:.0f}",
            )
        )


def _rewritten(content: bytes) -> DecodedPicture:
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


def _check(written: DecodedPicture) -> None:
    """Raises Invalid unless the picture was taken."""
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
                "The picture has %(width)s × %(height)s pixels: one side is more than %(most)s times as long as the other, "
                "as no scan is. Send the whole picture of the scan.",
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
