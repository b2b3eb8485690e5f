"""Complete and correct prescriptions, as pharmacists do. Functions belong inside transaction()."""

import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy import select

from csss import report_fonts
from csss.audit.record import record
from csss.clock import now
from csss.database import db
from csss.errors import Invalid
from csss.i18n import gettext as _
from csss.lengths import at_most, too_long
from csss.people.models import User
from csss.people.roles import Role
from csss.prescriptions import drafts, line_warnings, stated_facts
from csss.prescriptions.lines import AS_NEEDED, Line, line_problems
from csss.prescriptions.models import Prescription, PrescriptionItem, Route
from csss.prescriptions.safety import SafetyWarning
from csss.prescriptions.stated_facts import Stated
from csss.scans import policies, workflow
from csss.scans.models import Scan, ScanHold
from csss.scans.services import answer_hold
from csss.scans.states import HoldFor, Status

MAX_ITEMS = 50
MAX_NOTES = 20_000
MAX_REASON = 500


def complete(
    scan_id: uuid.UUID,
    *,
    lines: Sequence[Line],
    none_needed: bool,
    notes: str,
    stated: Stated | None = None,
    by: User,
) -> Prescription:
    """Add the prescription and move the scan on, and keep what is `stated` of the patient. Raises StateConflict, Invalid.

    Invalid names a field by its line's position: `drug-0` is the drug of the first line. A line with a warning
    that asks (line_warnings.warnings) needs an `override_reason`.
    """
    scan = workflow.lock(scan_id)
    policies.check_can_complete(scan)
    prescription = _prescription(scan, lines, none_needed, notes, stated, by=by)
    workflow.move(scan, Status.PHARMACIST_COMPLETED, by=by)
    return prescription


def correct(
    scan_id: uuid.UUID,
    *,
    lines: Sequence[Line],
    none_needed: bool,
    notes: str,
    stated: Stated | None = None,
    by: User,
) -> Prescription:
    """Add a version that an administrator asked for. The status does not change."""
    scan = workflow.lock(scan_id)
    policies.check_can_correct(scan, HoldFor.PHARMACIST)
    prescription = _prescription(scan, lines, none_needed, notes, stated, by=by)
    answer_hold(scan)
    _end_recall(scan, by)
    record("scan.prescription_corrected", scan, by=by, version=prescription.version)
    return prescription


def recall(scan_id: uuid.UUID, *, by: User) -> ScanHold:
    """Take a completed prescription back: nothing is approved until a pharmacist keeps a correction.

    Raises StateConflict once the report has been approved, and when the scan is on hold already.
    """
    scan = workflow.lock(scan_id)
    policies.check_can_hold(scan, HoldFor.PHARMACIST)
    note = _("Taken back by the pharmacist to be corrected.")
    hold = ScanHold(id=uuid.uuid4(), scan_id=scan.id, to=HoldFor.PHARMACIST, note=note, placed_by_id=by.id)
    db.session.add(hold)
    record("prescription.recalled", scan, by=by)
    return hold


def is_recall(hold: ScanHold | None) -> bool:
    """Whether a pharmacist has placed it, not an administrator."""
    return hold is not None and hold.placed_by.role is Role.PHARMACIST


def _end_recall(scan: Scan, by: User) -> None:
    """A correction ends what a pharmacist has taken back; what an administrator asked for, the administrator ends."""
    hold = scan.open_hold
    if hold is not None and is_recall(hold) and policies.may(policies.check_can_lift, scan):
        hold.lifted_at, hold.lifted_by_id = now(), by.id


def line_of(item: PrescriptionItem) -> Line:
    """The line as it was typed, to be corrected."""
    often = item.frequency
    if item.as_needed:
        often = "" if often == _("as needed") else often.removesuffix(_("%(often)s, as needed", often=""))
    return Line(
        drug=item.drug,
        dose=item.dose.removesuffix(item.dose_unit).rstrip() if item.dose_unit else item.dose,
        route=item.route.value,
        frequency=often,
        duration=item.duration,
        dose_unit=item.dose_unit,
        as_needed=AS_NEEDED if item.as_needed else "",
        override_reason=item.override_reason,
    )


def versions(scan: Scan) -> Sequence[Prescription]:
    """All versions, oldest first; the last one counts."""
    return db.session.scalars(
        select(Prescription).where(Prescription.scan_id == scan.id).order_by(Prescription.version)
    ).all()


def _prescription(
    scan: Scan, lines: Sequence[Line], none_needed: bool, notes: str, stated: Stated | None, *, by: User
) -> Prescription:
    filled = [(place, line) for place, line in enumerate(lines) if not line.blank]
    errors = _keep_stated(scan, stated, by)
    warned = line_warnings.warnings(scan, filled)
    errors |= _problems(filled, none_needed, notes) | _unanswered(filled, warned)
    if errors:
        raise Invalid(**errors)
    prescription = Prescription(
        id=uuid.uuid4(),
        scan_id=scan.id,
        version=len(versions(scan)) + 1,
        pharmacist_id=by.id,
        none_needed=none_needed,
        notes=notes.strip(),
        items=[
            _item(position, line, warned.get(place, ()))
            for position, (place, line) in enumerate(filled, start=1)
        ],
    )
    db.session.add(prescription)
    drafts.discard(scan.id, by=by)
    for position, (place, _line) in enumerate(filled, start=1):
        # Record the fact and the codes; the text stays with the line.
        if kinds := [each.code.value for each in warned.get(place, ()) if each.severity.asks]:
            record("prescription.warning_overridden", scan, by=by, line=position, kinds=kinds)
    return prescription


def _keep_stated(scan: Scan, stated: Stated | None, by: User) -> dict[str, str]:
    """Keep it, so that the warnings know it; a refused prescription takes it back with everything else."""
    try:
        if stated is not None:
            stated_facts.state(scan.id, stated, by=by)
            db.session.flush()
    except Invalid as refused:
        return refused.errors
    return {}


def _item(position: int, line: Line, warned: Sequence[SafetyWarning]) -> PrescriptionItem:
    written = line.as_written
    return PrescriptionItem(
        position=position,
        drug=line.drug.strip(),
        dose=written.dose,
        dose_unit=line.dose_unit.strip(),
        route=Route(line.route),
        frequency=written.frequency,
        as_needed=bool(line.as_needed),
        duration=line.duration.strip(),
        warnings="\n".join(each.written for each in warned),
        override_reason=line.override_reason.strip() if asks(warned) else "",
    )


def asks(warned: Sequence[SafetyWarning]) -> bool:
    """Whether one of them needs a reason."""
    return any(each.severity.asks for each in warned)


def _unanswered(
    filled: Sequence[tuple[int, Line]], warned: Mapping[int, Sequence[SafetyWarning]]
) -> dict[str, str]:
    """A sentence for each line that has a warning and no reason."""
    errors = {}
    for place, line in filled:
        if asks(warned.get(place, ())) and not any(map(str.isalnum, line.override_reason)):
            errors[f"override_reason-{place}"] = _(
                "Correct or remove this medicine, or write why it is right anyway."
            )
        elif len(line.override_reason) > MAX_REASON:
            errors[f"override_reason-{place}"] = at_most(MAX_REASON)
    return errors


def _problems(filled: Sequence[tuple[int, Line]], none_needed: bool, notes: str) -> dict[str, str]:
    errors: dict[str, str] = {}
    if not filled and not none_needed:
        errors["none_needed"] = _("Enter at least one medicine, or tick that none is needed.")
    if filled and none_needed:
        errors["none_needed"] = _("Medicines are entered and “none needed” is ticked: keep one of the two.")
    if len(filled) > MAX_ITEMS:
        errors["none_needed"] = _("At most %(most)s medicines can be taken.", most=MAX_ITEMS)
    for place, line in filled:
        errors |= line_problems(line, place, line_warnings.formulary())
    if len(notes) > MAX_NOTES:
        errors["notes"] = too_long(notes, MAX_NOTES)
    elif sentence := report_fonts.problem(notes):
        errors["notes"] = sentence
    return errors
