"""What a doctor writes about a scan, as it comes from a form: a draft and a signed reading alike."""

from dataclasses import dataclass

from csss.scans.states import Agreement

MAX_TEXT = 50_000  # characters of one text


@dataclass(frozen=True)
class ReviewText:
    """What a doctor writes about a scan. `agreement` is kept only where there is a prediction to agree with."""

    findings: str
    impression: str = ""
    diagnosis: str = ""
    agreement: Agreement | str | None = None
    read_myself: bool = False
