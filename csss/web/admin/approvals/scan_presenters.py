"""One scan in an administrator's words: its holds, who can be asked, and what it waits for."""

from dataclasses import dataclass

from flask_babel.speaklater import LazyString

from csss.i18n import _, _l
from csss.scans.models import Scan, ScanHold
from csss.scans.states import HoldFor, Status
from csss.web.filters import when


@dataclass(frozen=True)
class HoldView:
    """One question of an administrator and its answer, or a signature that was taken back."""

    to: str
    note: str
    asked: str
    outcome: str
    open: bool
    answered: bool


_FOR: dict[HoldFor, LazyString] = {
    HoldFor.DOCTOR: _l("For the doctor"),
    HoldFor.PHARMACIST: _l("For the pharmacist"),
}


def hold_view(hold: ScanHold) -> HoldView:
    if hold.taken_back is not None:
        ended = _("Signed again on %(moment)s.", moment=when(hold.lifted_at)) if hold.lifted_at else ""
        return HoldView(
            to=_("The doctor has taken the signature back"),
            note="",
            asked=f"{hold.placed_by.name}, {when(hold.placed_at)}",
            outcome=ended or _("Not signed again yet."),
            open=hold.lifted_at is None,
            answered=False,
        )
    outcome = []
    if hold.answered_at is not None:
        outcome.append(_("Corrected on %(moment)s.", moment=when(hold.answered_at)))
    if hold.lifted_at is not None:
        outcome.append(_("Lifted on %(moment)s.", moment=when(hold.lifted_at)))
    if not outcome:
        outcome.append(_("Not answered yet."))
    return HoldView(
        to=str(_FOR[hold.to]),
        note=hold.note,
        asked=f"{hold.placed_by.name}, {when(hold.placed_at)}",
        outcome=" ".join(outcome),
        open=hold.lifted_at is None,
        answered=hold.answered_at is not None,
    )


def waits_because(scan: Scan) -> str | None:
    """Why nothing can be approved now; None when it can be approved, when a hold already explains it, and after the
    release.
    """
    if scan.closure is not None:
        return _("The scan has been closed. There will be no report.")
    if scan.open_hold is not None:
        return None
    words = _WAITS.get(scan.status)
    return str(words) if words is not None else None


_WAITS: dict[Status, LazyString] = {
    Status.PENDING_AI: _l("The scan waits for the analysis. A doctor and a pharmacist follow before you."),
    Status.AI_ANALYZED: _l("The scan waits for a doctor. A pharmacist follows before you."),
    Status.DOCTOR_VERIFIED: _l("The scan waits for the pharmacist."),
}
