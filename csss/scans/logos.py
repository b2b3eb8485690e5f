"""Check and accept the picture of a logo: like a scan in the confined child, and written again from its pixels."""

from csss.errors import Invalid
from csss.i18n import _
from csss.picture_formats import format_of
from csss.scans import intake
from csss.scans.decoder import MAX_RATIO, MIN_SIDE, Verdict

MOST_BYTES = 1_000_000


def take_logo(content: bytes) -> tuple[bytes, bytes]:
    """Two JPEGs of the picture: for reports (at most 512 pixels), and small for pages (at most 112).

    Raises Invalid with a sentence for the field `logo`. Belongs outside transaction().
    """
    if content and format_of(content) is None:
        raise Invalid(logo=_("This is not a JPEG or PNG picture, whatever its name says."))
    try:
        intake.look_at(content, limit=MOST_BYTES)
        written = intake.rewritten(content)
        if written.verdict is Verdict.TOO_SMALL:
            raise Invalid(
                file=_(
                    "The picture is too small: it needs at least %(least)s pixels on each side.",
                    least=MIN_SIDE,
                )
            )
        if written.verdict is Verdict.TOO_LONG:
            raise Invalid(
                file=_(
                    "One side of the picture is more than %(most)s times as long as the other.",
                    most=MAX_RATIO,
                )
            )
        intake.check_verdict(written)
    except Invalid as refused:
        raise Invalid(logo=refused.errors["file"]) from None
    return written.preview, written.thumbnail
