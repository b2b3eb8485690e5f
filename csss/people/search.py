"""Search people by words of the name, the start of the MRN, or part of the e-mail address.

A name is stored a second time as plain words (`SearchName`, `RecordName`): in lower case, without accents and
apostrophes. The input is normalised in the same way, and each of its words must occur somewhere in the name, in any
order. So no database needs to support a script or a locale, and the statement does not depend on the input, so it can
be cached.
"""

import time
import unicodedata
import uuid
from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Text,
    bindparam,
    delete,
    event,
    insert,
    inspect,
    or_,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from csss.database import db, transaction
from csss.people.models import Patient, RecordName, SearchName, User
from csss.people.names import BETWEEN, is_seen, plain, plain_words

# One more than the longest address: longer input finds nothing anyway, and SQLite refuses very long patterns.
_MOST = 255
_WORDS = 6  # patterns per statement; further words are joined to the last one, in their order


def values(text: str) -> dict[str, Any]:
    """The parameters for a statement with one of the conditions below; none when nothing was typed."""
    text = unicodedata.normalize("NFC", text.strip())[:_MOST]  # the form in which addresses are stored
    if not text:
        return {}
    typed = [piece for piece in BETWEEN.split(plain(text)) if piece] or [text]
    first, rest = typed[: _WORDS - 1], typed[_WORDS - 1 :]
    first.sort(key=len, reverse=True)  # the longest word is the most selective
    patterns = [f"%{_literally(each)}%" for each in first] + ["%" + "%".join(map(_literally, rest)) + "%"]
    given = len(patterns) if rest else len(first)
    patterns += ["%"] * (_WORDS - len(patterns))
    return {
        "name_words": given,
        **{f"name_like_{number}": pattern for number, pattern in enumerate(patterns)},
        "mrn_like": f"{_literally(_number(text))}%",
        "email_like": f"%{_literally(text.lower())}%",
    }


def name_or_mrn() -> ColumnElement[bool]:
    """Condition for patients: words of the name, or the start of the MRN."""
    return or_(
        Patient.id.in_(_named(RecordName.patient_id)), Patient.mrn.like(bindparam("mrn_like"), escape="\\")
    )


def name_or_email() -> ColumnElement[bool]:
    """Condition for accounts: words of the name, or part of the e-mail address, which is stored in lower case."""
    return or_(User.id.in_(_named(SearchName.user_id)), User.email.like(bindparam("email_like"), escape="\\"))


def patients() -> Select[Any]:
    """The ids of the patients that match by name or MRN."""
    return select(Patient.id).where(name_or_mrn())


def accounts() -> Select[Any]:
    """The ids of the accounts that match by name or e-mail address."""
    return select(User.id).where(name_or_email())


def _named(whose: InstrumentedAttribute[uuid.UUID]) -> Select[Any]:
    """Ids of the accounts or records (`whose`) whose name contains every typed word."""
    given = bindparam("name_words", type_=Integer)
    patterns = [bindparam(f"name_like_{number}", type_=Text) for number in range(_WORDS)]
    return select(whose).where(
        *(  # an unused pattern costs only a comparison of two numbers
            or_(given <= number, whose.class_.words.like(pattern, escape="\\"))
            for number, pattern in enumerate(patterns)
        )
    )


def _number(text: str) -> str:
    """An MRN as it is stored, without the spaces and hyphens that group its digits; other text as it is."""
    plain = BETWEEN.sub("", "".join(each for each in unicodedata.normalize("NFKC", text) if is_seen(each)))
    return plain if plain.isascii() and plain.isdigit() else text


def _literally(text: str) -> str:
    """Escape LIKE's special characters."""
    return text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")


# Store the plain words beside the names.


@event.listens_for(Session, "after_flush")
def _keep_up(session: Session, _context: Any) -> None:
    """Write the words together with each new name: a database trigger deletes the old ones when a name changes.

    A renamed account renames its record by a trigger, too.
    """
    run = session.connection().execute
    for each in (*session.new, *session.dirty):
        if not isinstance(each, User | Patient) or not _is_renamed(each):
            continue
        if isinstance(each, User) and each.erased_at is None:
            _keep(run, SearchName.user_id, each.id, each.name)
            for patient_id in run(select(Patient.id).where(Patient.user_id == each.id)).scalars().all():
                _keep(run, RecordName.patient_id, patient_id, each.name)
        elif isinstance(each, Patient) and not each.is_erased:
            _keep(run, RecordName.patient_id, each.id, each.name)


def _is_renamed(row: Any) -> bool:
    return bool(inspect(row).attrs.name.history.has_changes())


def _keep(
    run: Callable[..., Any], whose: InstrumentedAttribute[uuid.UUID], id_: uuid.UUID, name: str
) -> None:
    run(delete(whose.class_).where(whose == id_))
    run(insert(whose.class_).values({whose.key: id_, "words": plain_words(name)}))


LOOK_SECONDS = 60
_next_look = 0.0  # per process


def fill_in_now_and_then() -> None:
    """Call `fill_in` at most once a minute: workers ask every few seconds, and the check reads all names."""
    global _next_look  # noqa: PLW0603
    if time.monotonic() >= _next_look:
        found = fill_in()
        _next_look = time.monotonic() + (0 if found else LOOK_SECONDS)


def fill_in(most: int = 500) -> int:
    """Add the words of names written without them, by the previous release during an update.

    Returns how many. Safe to run in several processes at once.
    """
    return _fill_in(User, SearchName.user_id, most) + _fill_in(Patient, RecordName.patient_id, most)


def _fill_in(kind: Any, whose: InstrumentedAttribute[uuid.UUID], most: int) -> int:
    missing = kind.id.not_in(select(whose)) & kind.erased_at.is_(None)
    if kind is Patient:  # the previous release notes an erasure at the account alone
        missing &= Patient.user_id.is_(None) | Patient.user_id.not_in(
            select(User.id).where(User.erased_at.is_not(None))
        )
    someone = db.session.scalar(select(kind.id).where(missing).limit(1))
    db.session.commit()
    if someone is None:
        return 0
    with transaction():
        query = select(kind.id, kind.name).where(missing).limit(most)
        found = db.session.execute(query.with_for_update(of=kind, skip_locked=True)).all()
        for id_, name in found:
            _keep(db.session.execute, whose, id_, name)
    return len(found)
