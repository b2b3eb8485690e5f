"""Define the form data of a reading; drafts and signed readings share it."""

from dataclasses import dataclass

from csss import report_fonts
from csss.lengths import too_long
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


def text_problems(reading: ReviewText) -> dict[str, str]:
    """A sentence for each text, by field, that is too long or that the report's fonts cannot print."""
    found: dict[str, str] = {}
    for name in ("findings", "impression", "diagnosis"):
        text = getattr(reading, name)
        if len(text) > MAX_TEXT:
            found[name] = too_long(text, MAX_TEXT)
        elif sentence := report_fonts.problem(text):
            found[name] = sentence
    return found
