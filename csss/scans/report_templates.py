"""Manage each doctor's own text templates for common findings. All functions that write belong inside
transaction().

A doctor who has changed nothing uses the starter set (`starter_templates.py`). The first change copies it into the
doctor's own rows. A doctor who deletes the last template gets the starter set again.
"""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from csss.audit.record import record
from csss.database import db
from csss.errors import Invalid, NotFound
from csss.i18n import _
from csss.lengths import at_most
from csss.people.models import User
from csss.scans.draft_models import ReportTemplate
from csss.scans.starter_templates import STARTER
from csss.scans.states import ScanKind

MAX_TITLE = 80
MAX_BLOCK = 4_000
MOST = 60  # templates per doctor; the picker is not usable with more
_TO_FILL_IN = re.compile(r"\[[^\[\]\n]+\]")


@dataclass(frozen=True)
class Block:
    """The text of one template. `kind` None: for any scan."""

    title: str
    findings: str
    impression: str
    kind: ScanKind | None = None


def of(doctor: User, kind: ScanKind | None = None) -> Sequence[ReportTemplate]:
    """This doctor's templates in their order; with `kind`, only those that fit such a scan."""
    query = select(ReportTemplate).where(ReportTemplate.doctor_id == doctor.id)
    found = db.session.scalars(query.order_by(ReportTemplate.position, ReportTemplate.id)).all()
    return [each for each in found or _starter(doctor) if kind is None or each.kind in {None, kind}]


def find(template_id: uuid.UUID, doctor: User) -> ReportTemplate:
    """One of this doctor's templates. Raises NotFound for any other."""
    for each in of(doctor):
        if each.id == template_id:
            return each
    raise NotFound(_("There is no such template."))


def unfilled(text: str, doctor: User) -> list[str]:
    """The choices, such as "[right/left]", that one of this doctor's templates left open and that are still in
    `text`.

    Square brackets that come from no template are ignored.
    """
    left = _TO_FILL_IN.findall(text)
    if not left:
        return []
    theirs = {
        gap for each in of(doctor) for gap in _TO_FILL_IN.findall(f"{each.findings}\n{each.impression}")
    }
    return [gap for gap in dict.fromkeys(left) if gap in theirs]


def add(block: Block, *, by: User) -> ReportTemplate:
    """Append a template. Raises Invalid."""
    own = _own(by)
    if len(own) >= MOST:
        raise Invalid(title=_("You have %(most)s templates already; delete one first.", most=MOST))
    added = ReportTemplate(id=uuid.uuid4(), doctor_id=by.id, position=len(own) + 1)
    _write(added, block)
    db.session.add(added)
    record("report_template.kept", added, by=by)
    return added


def change(template_id: uuid.UUID, block: Block, *, by: User) -> ReportTemplate:
    """Replace the text of a template. Raises NotFound, Invalid."""
    found = _own_one(template_id, by)
    _write(found, block)
    record("report_template.kept", found, by=by)
    return found


def remove(template_id: uuid.UUID, *, by: User) -> None:
    """Delete a template. Raises NotFound."""
    found = _own_one(template_id, by)
    record("report_template.removed", found, by=by)
    db.session.delete(found)
    db.session.flush()
    _number(_own(by, copy=False))


def move(template_id: uuid.UUID, *, up: bool, by: User) -> None:
    """Move a template one place up or down; at either end nothing happens. Raises NotFound."""
    found = _own_one(template_id, by)
    order = list(_own(by))
    was = order.index(found)
    order.insert(max(0, was - 1) if up else was + 1, order.pop(was))
    _number(order)


def _own(doctor: User, *, copy: bool = True) -> Sequence[ReportTemplate]:
    """The doctor's rows, locked against concurrent changes; copies the starter set when there are none."""
    query = select(ReportTemplate).where(ReportTemplate.doctor_id == doctor.id).with_for_update()
    found = db.session.scalars(query.order_by(ReportTemplate.position, ReportTemplate.id)).all()
    if found or not copy:
        return found
    # Two first changes can race (only on PostgreSQL), so both lock the user's row.
    db.session.execute(select(User.id).where(User.id == doctor.id).with_for_update())
    if not (found := db.session.scalars(query).all()):
        found = _starter(doctor)
        db.session.add_all(found)
        db.session.flush()
    return found


def _own_one(template_id: uuid.UUID, doctor: User) -> ReportTemplate:
    for each in _own(doctor):
        if each.id == template_id:
            return each
    raise NotFound(_("There is no such template."))


def _starter(doctor: User) -> list[ReportTemplate]:
    """The starter set as rows of this doctor; each id is derived from user and template, so that a link stays
    valid."""
    return [
        ReportTemplate(
            id=uuid.uuid5(doctor.id, key),
            doctor_id=doctor.id,
            position=position,
            title=title,
            kind=kind,
            findings=findings,
            impression=impression,
        )
        for position, (key, kind, title, findings, impression) in enumerate(STARTER, start=1)
    ]


def _number(order: Sequence[ReportTemplate]) -> None:
    for position, each in enumerate(order, start=1):
        each.position = position


def _write(row: ReportTemplate, block: Block) -> None:
    errors: dict[str, str] = {}
    if not block.title.strip():
        errors["title"] = _("Give the template a name.")
    elif len(block.title.strip()) > MAX_TITLE:
        errors["title"] = at_most(MAX_TITLE)
    if not block.findings.strip() and not block.impression.strip():
        errors["findings"] = _("Write the text that is to be put into the reading.")
    for name, text in (("findings", block.findings), ("impression", block.impression)):
        if len(text) > MAX_BLOCK:
            errors[name] = at_most(MAX_BLOCK)
    if errors:
        raise Invalid(**errors)
    row.title, row.kind = block.title.strip(), block.kind
    row.findings, row.impression = block.findings.strip(), block.impression.strip()
