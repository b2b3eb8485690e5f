"""Define the form data of a reading; drafts and signed readings share it."""

from dataclasses import dataclass

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
