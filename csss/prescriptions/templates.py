"""Manage templates: lines prescribed often, one's own or the hospital's. `keep` and `remove` belong inside
transaction().

All pharmacists use the hospital's templates. Only the maker changes or removes one, because colleagues insert it
without checking it again each time. A template without a responsible person (it came with CSSS, or its maker's
account is deactivated) may be changed by any pharmacist, who then becomes responsible for it.
"""

import uuid
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import or_, select

from csss import clock
from csss.audit.record import record
from csss.database import db
from csss.errors import Invalid, NotFound, StateConflict
from csss.i18n import gettext as _
from csss.lengths import at_most
from csss.people.models import User
from csss.prescriptions import line_warnings
from csss.prescriptions.lines import LIMITS, Line, line_problems
from csss.prescriptions.models import PrescriptionTemplate
from csss.prescriptions.services import MAX_NOTES

MAX_NAME = 100
MAX_LINES = 10
MAX_TEMPLATES = 100  # per pharmacist, and for the hospital
_KEPT = (*LIMITS, "route", "dose_unit", "as_needed")


def usable_by(user: User) -> Sequence[PrescriptionTemplate]:
    """The user's own first, then the hospital's, each sorted by name."""
    return db.session.scalars(
        select(PrescriptionTemplate)
        .where(or_(PrescriptionTemplate.owner_id == user.id, PrescriptionTemplate.owner_id.is_(None)))
        .order_by(PrescriptionTemplate.owner_id.is_(None), PrescriptionTemplate.name, PrescriptionTemplate.id)
    ).all()


def usable(template_id: uuid.UUID, user: User) -> PrescriptionTemplate:
    """A template that the user may use. Raises NotFound, also for somebody else's."""
    found = db.session.get(PrescriptionTemplate, template_id)
    if found is None or found.owner_id not in (None, user.id):
        raise NotFound(_("There is no such template."))
    return found


def may_change(template: PrescriptionTemplate, user: User) -> bool:
    """Whether this pharmacist, who may use it, may also change and remove it."""
    maker = template.made_by
    return template.owner_id == user.id or maker is None or maker.id == user.id or not maker.is_active


def _to_change(template_id: uuid.UUID, by: User) -> PrescriptionTemplate:
    """A template that the user may change. Raises NotFound, and StateConflict when a colleague is responsible for
    it."""
    found = usable(template_id, by)
    db.session.refresh(found, with_for_update=True)
    if not may_change(found, by):
        raise StateConflict(
            _("Only the colleague who made this template of the hospital can change or remove it.")
        )
    return found


def lines_of(template: PrescriptionTemplate) -> list[Line]:
    return [Line(**{name: line.get(name, "") for name in _KEPT}) for line in template.lines]


def keep(
    template_id: uuid.UUID | None, *, name: str, lines: Sequence[Line], notes: str, shared: bool, by: User
) -> PrescriptionTemplate:
    """Create or change a template. `shared` makes it the hospital's. Raises Invalid, NotFound, StateConflict."""
    filled = [(place, line) for place, line in enumerate(lines) if not line.blank]
    owner_id = None if shared else by.id
    errors: dict[str, str] = {}
    for place, line in filled:
        errors |= line_problems(line, place, line_warnings.formulary())
    if not name.strip():
        errors["name"] = _("Enter a name.")
    elif len(name) > MAX_NAME:
        errors["name"] = at_most(MAX_NAME)
    if not filled:
        errors["drug-0"] = _("Enter at least one medicine.")
    if len(filled) > MAX_LINES:
        errors[f"drug-{filled[MAX_LINES][0]}"] = _(
            "A template holds at most %(most)s medicines.", most=MAX_LINES
        )
    if len(notes) > MAX_NOTES:
        errors["notes"] = at_most(MAX_NOTES)
    template = _to_change(template_id, by) if template_id else None
    if template is None and sum(each.owner_id == owner_id for each in usable_by(by)) >= MAX_TEMPLATES:
        errors["name"] = _("There are %(most)s templates already. Remove one first.", most=MAX_TEMPLATES)
    if errors:
        raise Invalid(**errors)
    if template is None:
        template = PrescriptionTemplate(id=uuid.uuid4())
        db.session.add(template)
    template.owner_id, template.made_by_id = owner_id, by.id
    template.name = name.strip()
    template.lines = [
        {key: value.strip() for key, value in asdict(line).items() if key in _KEPT} for _p, line in filled
    ]
    template.notes = notes.strip()
    template.changed_at = clock.now()
    record("prescription_template.kept", template, by=by, shared=shared)
    return template


def remove(template_id: uuid.UUID, *, by: User) -> None:
    """Delete a template. Raises NotFound, StateConflict."""
    template = _to_change(template_id, by)
    record("prescription_template.removed", template, by=by, shared=template.owner_id is None)
    db.session.delete(template)
