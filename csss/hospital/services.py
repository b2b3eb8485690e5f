"""Change the hospital's settings, as an administrator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from csss import report_fonts
from csss.audit.record import About, record
from csss.clock import now
from csss.database import db
from csss.errors import Invalid, StateConflict
from csss.hospital import current
from csss.hospital.models import HospitalVersion
from csss.i18n import _, _l
from csss.lengths import at_most
from csss.people.models import User

LENGTHS = {"name": 120, "address": 400, "telephone": 40, "letterhead": 160}
MOST_ADDRESS_LINES = 6
FIELD_NAMES = {
    "name": _l("Name"),
    "address": _l("Address"),
    "telephone": _l("Telephone"),
    "letterhead": _l("Line of the letterhead"),
    "logo": _l("Logo"),
    "formulary": _l("Formulary"),
}


@dataclass(frozen=True)
class Logo:
    """Two JPEGs that we have written from one picture: for reports, and small for pages."""

    content: bytes
    small: bytes


@dataclass(frozen=True)
class FormularyFile:
    """A file of medicines that has been checked: its name and its content."""

    name: str
    content: str


@dataclass(frozen=True)
class HospitalChange:
    """What was sent: texts by field (a missing one stays as it is), new files, and files to remove."""

    texts: Mapping[str, str]
    logo: Logo | None = None
    formulary: FormularyFile | None = None
    without: frozenset[str] = frozenset()  # "logo", "formulary"


def newest() -> HospitalVersion | None:
    """What counts now; None when nothing was ever set."""
    return db.session.scalars(
        select(HospitalVersion).order_by(HospitalVersion.number.desc()).limit(1)
    ).one_or_none()


def change(wanted: HospitalChange, *, seen: int, by: User) -> HospitalVersion:
    """Store the settings as a new version. Belongs inside transaction().

    Raises Invalid for each wrong field (`nothing` when nothing has changed), StateConflict when they have changed since
    version `seen` was shown.
    """
    # Two changes at once: the lock of the newest row, and at the very first its number, let only one of them in.
    query = select(HospitalVersion).order_by(HospitalVersion.number.desc()).limit(1)
    old = db.session.scalars(query.with_for_update(of=HospitalVersion)).one_or_none()
    number = old.number if old else 0
    if number != seen and old is not None:
        raise StateConflict(
            _(
                "%(name)s has changed these settings while your form was open: %(fields)s. Nothing of yours was saved. "
                "The form now shows them as they are.",
                name=old.changed_by.name,
                fields=field_words(fields_of(old, _version(number - 1))),
            )
        )
    _check(wanted.texts)
    new = _next(old, wanted, number + 1, by)
    changed = fields_of(new, old)
    if not changed:
        raise Invalid(nothing=_("You have changed nothing."))
    db.session.add(new)
    db.session.flush()
    record("hospital.changed", About("hospital", new.number), by=by, fields=changed)
    current.forget()
    return new


def history(most: int = 10) -> Sequence[tuple[HospitalVersion, str]]:
    """The newest changes, each with the words for what was changed."""
    query = select(HospitalVersion).order_by(HospitalVersion.number.desc()).limit(most + 1)
    rows = db.session.scalars(query).all()
    pairs = zip(rows, (*rows[1:], None), strict=False)
    return [(row, field_words(fields_of(row, before))) for row, before in pairs][:most]


def fields_of(row: HospitalVersion, before: HospitalVersion | None) -> list[str]:
    """The names of the fields in which a version differs from the one before."""
    empty = {"logo": None, "formulary": None}
    return [
        name
        for name in FIELD_NAMES
        if getattr(row, name) != (getattr(before, name) if before else empty.get(name, ""))
    ]


def field_words(names: Sequence[str]) -> str:
    """The names of fields in one line."""
    return ", ".join(str(FIELD_NAMES[name]) for name in names)


def _version(number: int) -> HospitalVersion | None:
    return db.session.get(HospitalVersion, number)


def _check(texts: Mapping[str, str]) -> None:
    errors = {
        name: at_most(most) for name, most in LENGTHS.items() if len(texts.get(name, "").strip()) > most
    }
    lines = [line for line in texts.get("address", "").splitlines() if line.strip()]
    if len(lines) > MOST_ADDRESS_LINES and "address" not in errors:
        errors["address"] = _("At most %(most)s lines fit into the letterhead.", most=MOST_ADDRESS_LINES)
    printed = {name: text for name, text in texts.items() if name not in errors}
    errors |= report_fonts.problems(**printed)
    if errors:
        raise Invalid(**errors)


def _next(old: HospitalVersion | None, wanted: HospitalChange, number: int, by: User) -> HospitalVersion:
    texts = {
        name: wanted.texts[name].strip() if name in wanted.texts else (getattr(old, name) if old else "")
        for name in LENGTHS
    }
    logo = wanted.logo or (Logo(old.logo, old.small_logo) if old and old.logo and old.small_logo else None)
    book = wanted.formulary or (
        FormularyFile(old.formulary_name, old.formulary) if old and old.formulary is not None else None
    )
    if "logo" in wanted.without and wanted.logo is None:
        logo = None
    if "formulary" in wanted.without and wanted.formulary is None:
        book = None
    return HospitalVersion(
        number=number,
        **texts,
        logo=logo.content if logo else None,
        small_logo=logo.small if logo else None,
        formulary=book.content if book else None,
        formulary_name=book.name[:120] if book else "",
        changed_by_id=by.id,
        changed_at=now(),
    )
