"""Define the form data of a reading; drafts and signed readings share it."""

from dataclasses import dataclass

from csss import report_fonts
from csss.i18n import _
from csss.lengths import too_long
from csss.scans.states import Agreement

MAX_TEXT = 50_000  # characters of one text
MAX_ACTION = 300  # characters of the sentence that says what a critical result asks for


@dataclass(frozen=True)
class ReviewText:
    """What a doctor writes about a scan. `agreement` is stored only when there is a prediction to agree with."""

    findings: str
    impression: str = ""
    diagnosis: str = ""
    agreement: Agreement | str | None = None
    read_myself: bool = False
    critical: bool = False  # somebody must act now: `critical_action` says what must be done
    critical_action: str = ""


def text_problems(reading: ReviewText) -> dict[str, str]:
    """A sentence for each text, by field, that is too long or that the report's fonts cannot print."""
    found: dict[str, str] = {}
    for name in ("findings", "impression", "diagnosis"):
        text = getattr(reading, name)
        if len(text) > MAX_TEXT:
            found[name] = too_long(text, MAX_TEXT)
        elif sentence := report_fonts.problem(text):
            found[name] = sentence
    return found | critical_problems(critical=reading.critical, action=reading.critical_action)


def critical_problems(*, critical: bool, action: str) -> dict[str, str]:
    """What the mark of a critical result lacks: its sentence, or its tick, which may have been forgotten."""
    if critical and not action.strip():
        return {"critical_action": _("Write what must be done now, and by whom.")}
    if action.strip() and not critical:
        return {"critical_action": _("Tick “Critical result”, or delete this sentence.")}
    if len(action) > MAX_ACTION:
        return {"critical_action": too_long(action, MAX_ACTION)}
    sentence = report_fonts.problem(action)
    return {"critical_action": sentence} if sentence else {}
