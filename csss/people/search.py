"""Search people by words of the name, the start of the MRN, or part of the e-mail address.

A name is stored a second time as plain words (`SearchName`): in lower case, without accents and apostrophes. The
input is normalised in the same way, and each of its words must occur somewhere in the name, in any order. So no
database needs to support a script or a locale, and the statement does not depend on the input, so it can be cached.
"""

import re
import time
import unicodedata
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
from sqlalchemy.orm import Session

from csss.database import db, transaction
from csss.people.models import Patient, SearchName, User

# One more than the longest address: longer input finds nothing anyway, and SQLite refuses very long patterns.
_MOST = 255
_WORDS = 6  # patterns per statement; further words are joined to the last one, in their order
_DROPPED = re.compile("[.·'`´‘’‛ʹʻʼʽʾʿˈ′ꞌ׳＇]")
_BETWEEN = re.compile(r"[\s,;\-‐‑‒–—−]+")
# Letters that Unicode does not decompose into a plain letter and an accent.
_PLAIN = str.maketrans(
    {
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "ħ": "h",
        "ŧ": "t",
        "ı": "i",
        "ŋ": "n",
    }
)


def plain_words(name: str) -> str:
    """The search form of a name: "Anne-Zoë O’Brien" becomes "anne zoe obrien annezoe"."""
    found, joined = [], []
    for part in name.split():
        pieces = [piece for piece in _BETWEEN.split(_plain(part)) if piece]
        found += pieces
        if len(pieces) > 1:
            joined.append("".join(pieces))
    return " ".join((*found, *joined))


def values(text: str) -> dict[str, Any]:
    """The parameters for a statement with one of the conditions below; none when nothing was typed."""
    text = unicodedata.normalize("NFC", text.strip())[:_MOST]  # the form in which addresses are stored
    if not text:
        return {}
    typed = [piece for piece in _BETWEEN.split(_plain(text)) if piece] or [text]
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
    return or_(Patient.user_id.in_(_named()), Patient.mrn.like(bindparam("mrn_like"), escape="\\"))


def name_or_email() -> ColumnElement[bool]:
    """Condition for accounts: words of the name, or part of the e-mail address, which is stored in lower case."""
    return or_(User.id.in_(_named()), User.email.like(bindparam("email_like"), escape="\\"))


def patients() -> Select[Any]:
    """The ids of the patients that match by name or MRN."""
    return select(Patient.id).where(name_or_mrn())


def accounts() -> Select[Any]:
    """The ids of the accounts that match by name or e-mail address."""
    return select(User.id).where(name_or_email())


def _named() -> Select[Any]:
    """Ids of the people whose name contains every typed word."""
    given = bindparam("name_words", type_=Integer)
    patterns = [bindparam(f"name_like_{number}", type_=Text) for number in range(_WORDS)]
    return select(SearchName.user_id).where(
        *(  # an unused pattern costs only a comparison of two numbers
            or_(given <= number, SearchName.words.like(pattern, escape="\\"))
            for number, pattern in enumerate(patterns)
        )
    )


def _number(text: str) -> str:
    """An MRN as it is stored, without the spaces and hyphens that group its digits; other text as it is."""
    plain = _BETWEEN.sub("", "".join(each for each in unicodedata.normalize("NFKC", text) if _is_seen(each)))
    return plain if plain.isascii() and plain.isdigit() else text


def _literally(text: str) -> str:
    """Escape LIKE's special characters."""
    return text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")


def _plain(text: str) -> str:
    """Lower case without accents, dots, apostrophes and unseen characters. Vowel signs of Indian and Thai scripts are
    not accents, so they stay."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    seen = (each for each in apart if _is_seen(each) and not _is_accent(each))
    letters = "".join(seen).translate(_PLAIN)
    return unicodedata.normalize("NFC", _DROPPED.sub("", letters))


def _is_seen(letter: str) -> bool:
    """False for joiners, marks of direction and the like, which copied text brings along."""
    return unicodedata.category(letter) != "Cf"


def _is_accent(letter: str) -> bool:
    """By Unicode's combining class: overlays, nuktas, Hebrew and Arabic points, and marks above or below a letter."""
    order = unicodedata.combining(letter)
    return order in (1, 7) or 10 <= order <= 36 or order >= 200


# Store the plain words beside the names.


@event.listens_for(Session, "after_flush")
def _keep_up(session: Session, _context: Any) -> None:
    """Write the words together with each new name: a database trigger deletes the old ones when a name changes."""
    for user in [each for each in (*session.new, *session.dirty) if isinstance(each, User)]:
        if inspect(user).attrs.name.history.has_changes() and user.erased_at is None:
            words = {"user_id": user.id, "words": plain_words(user.name)}
            session.connection().execute(delete(SearchName).where(SearchName.user_id == user.id))
            session.connection().execute(insert(SearchName).values(words))


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
    missing = User.id.not_in(select(SearchName.user_id)) & User.erased_at.is_(None)
    someone = db.session.scalar(select(User.id).where(missing).limit(1))
    db.session.commit()
    if someone is None:
        return 0
    with transaction():
        query = select(User.id, User.name).where(missing).limit(most)
        found = db.session.execute(query.with_for_update(of=User, skip_locked=True)).all()
        for user_id, name in found:
            db.session.execute(insert(SearchName).values(user_id=user_id, words=plain_words(name)))
    return len(found)
