"""Define the form data of a reading; drafts and signed readings share it."""

from dataclasses import dataclass

from csss.i18n import _
from csss.scans.states import Agreement

MAX_TEXT = 50_000  # characters of one text


@dataclass(frozen=True)
class ReviewText:
    """What a doctor writes about a scan. `agreement` is stored only when there is a prediction to agree with."""

    findings: str
    impression: str = ""
    diagnosis: str = ""
    agreement: Agreement | str | None = None
    read_myself: bool = False


def too_long(text: str, limit: int) -> str:
    """The message beside a field that holds more than `limit` characters."""
    return _(
        "At most %(most)s characters can be taken; this has %(count)s.",
        most=f"{limit:,}",
        count=f"{len(text):,}",
    )
