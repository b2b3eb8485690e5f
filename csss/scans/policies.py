"""Decide when a step may be taken. `check_…` raises StateConflict with a sentence; `may` answers for buttons.

Permissions decide who may take it, and queries decide on which row. The rules here are the same for everybody.
"""

from collections.abc import Callable

from csss.errors import StateConflict
from csss.i18n import _
from csss.people.roles import Role
from csss.scans.models import Scan
from csss.scans.states import HoldFor, RunState, Status
from csss.scans.workflow import STATE_SENTENCE

FAILURES_BEFORE_READING_WITHOUT = 2


def may(check: Callable[..., None], *args: object) -> bool:
    """Whether `check` would pass now."""
    try:
        check(*args)
    except StateConflict:
        return False
    return True


def _check_status(scan: Scan, *allowed: Status) -> None:
    if scan.closure is not None:
        raise StateConflict(_("The scan has been closed."))
    if scan.status not in allowed:
        raise StateConflict(str(STATE_SENTENCE[scan.status]))


def check_can_analyse(scan: Scan) -> None:
    _check_status(scan, Status.PENDING_AI)
    run = scan.latest_run
    if run is not None and run.state in {RunState.QUEUED, RunState.RUNNING}:
        raise StateConflict(_("The analysis has been started already."))


def check_can_read_without_classifier(scan: Scan) -> None:
    _check_status(scan, Status.PENDING_AI)


def needs_reason_to_read_without(scan: Scan) -> bool:
    """Whether a reason is required, which is so until the analysis has failed twice."""
    return sum(run.state is RunState.FAILED for run in scan.runs) < FAILURES_BEFORE_READING_WITHOUT


def check_can_verify(scan: Scan) -> None:
    _check_status(scan, Status.AI_ANALYZED)


def check_can_correct_kind(scan: Scan) -> None:
    """Allow it while a doctor can still act: until the reading is signed, and again when a correction was
    requested."""
    if scan.open_hold is not None and scan.open_hold.to is HoldFor.DOCTOR:
        check_can_correct(scan, HoldFor.DOCTOR)
    else:
        _check_status(scan, Status.PENDING_AI, Status.AI_ANALYZED)


def check_can_close(scan: Scan) -> None:
    _check_status(scan, *(status for status in Status if status is not Status.REPORT_READY))


def check_can_complete(scan: Scan) -> None:
    _check_status(scan, Status.DOCTOR_VERIFIED)
    _check_not_on_hold(scan)


def check_can_approve(scan: Scan) -> None:
    _check_status(scan, Status.PHARMACIST_COMPLETED)
    _check_not_on_hold(scan)


def check_can_hold(scan: Scan, to: HoldFor) -> None:
    """Allow it before release; a pharmacist can be asked only about what the pharmacist has written."""
    allowed = [Status.PHARMACIST_COMPLETED]
    if to is HoldFor.DOCTOR:
        allowed.append(Status.DOCTOR_VERIFIED)
    _check_status(scan, *allowed)
    if scan.open_hold is not None:
        raise StateConflict(_("The scan is on hold already."))


def check_can_lift(scan: Scan) -> None:
    _check_status(scan, Status.DOCTOR_VERIFIED, Status.PHARMACIST_COMPLETED)
    if scan.open_hold is None:
        raise StateConflict(_("The scan is not on hold."))
    if scan.open_hold.taken_back is not None:
        raise StateConflict(
            _("The doctor has taken the signature back: the hold ends when the reading is signed again.")
        )
    if scan.open_hold.placed_by.role is Role.PHARMACIST and scan.open_hold.answered_at is None:
        raise StateConflict(
            _(
                "The pharmacist has taken the prescription back: the hold ends when a pharmacist keeps a correction."
            )
        )
    if words := kind_not_signed(scan):
        raise StateConflict(words)


def kind_not_signed(scan: Scan) -> str | None:
    """Why a hold cannot be lifted: the kind was corrected after the current reading. None when it was not."""
    if not scan.reviews or not scan.kind_corrections:
        return None
    if scan.kind_corrections[-1].after_review < len(scan.reviews):
        return None
    return _(
        "The kind of the scan has been corrected: the hold stays until the doctor has signed a corrected reading."
    )


def check_can_correct(scan: Scan, who: HoldFor) -> None:
    """Allow a correction only when an administrator has asked for it, or a signature has been taken back."""
    _check_status(scan, Status.DOCTOR_VERIFIED, Status.PHARMACIST_COMPLETED)
    hold = scan.open_hold
    if hold is None or hold.to is not who:
        raise StateConflict(_("Nobody has asked for a correction of this scan."))


def check_can_add_addendum(scan: Scan) -> None:
    _check_status(scan, Status.REPORT_READY)


def _check_not_on_hold(scan: Scan) -> None:
    if scan.open_hold is not None and scan.open_hold.taken_back is not None:
        raise StateConflict(_("The doctor has taken the signature back and will sign the reading again."))
    if scan.open_hold is not None:
        raise StateConflict(
            _("The scan is on hold: a correction by the doctor has been asked for.")
            if scan.open_hold.to is HoldFor.DOCTOR
            else _("The scan is on hold: a correction by the pharmacist has been asked for.")
        )
