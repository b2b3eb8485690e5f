"""People, found by what somebody types: part of the name, the beginning of the MRN, part of the e-mail address.

Upper and lower case are alike in every script. PostgreSQL sees to that itself. SQLite's LIKE knows the two cases of A to Z
only: any other letter that has two stands there for any letter first, and GLOB, which is slower but takes a choice of
letters, then looks at the names that are left. So a statement is the same whatever is typed, and can be kept.
"""

import unicodedata
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Select, bindparam, func, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from csss.auth.models import Patient, User
from csss.database import db

# One more than the longest address: what is longer finds nothing anyway, and SQLite refuses patterns without end.
_MOST = 255


def values(text: str) -> dict[str, str]:
    """What a statement with one of the conditions below is run with; nothing when nothing was typed."""
    text = unicodedata.normalize("NFC", text.strip())[:_MOST]  # as names are kept
    if not text:
        return {}
    name = _any_letter(text) if db.engine.dialect.name == "sqlite" else _literally(text)
    return {
        "name_like": f"%{name}%",
        "name_glob": f"*{_choices(text)}*" if name != _literally(text) else "*",
        "mrn_like": f"{_literally(text)}%",
        "email_like": f"%{_literally(text.lower())}%",
    }


def name_or_mrn() -> ColumnElement[bool]:
    """Of a patient with the account: part of the name, or the beginning of the MRN."""
    return or_(_name(), Patient.mrn.like(bindparam("mrn_like"), escape="\\"))


def name_or_email() -> ColumnElement[bool]:
    """Of an account: part of the name, or of the e-mail address, which is kept in lower case."""
    return or_(_name(), User.email.like(bindparam("email_like"), escape="\\"))


def patients() -> Select[Any]:
    """The ids of the patients who are found by name or MRN."""
    return select(Patient.id).join(User, User.id == Patient.user_id).where(name_or_mrn())


def accounts() -> Select[Any]:
    """The ids of the accounts that are found by name or e-mail address."""
    return select(User.id).where(name_or_email())


class _Holds(FunctionElement[bool]):
    """That a name holds what was typed, in whatever case: each database says it in its own words."""

    type = Boolean()
    inherit_cache = True


def _name() -> ColumnElement[bool]:
    return _Holds(User.name, bindparam("name_like"), bindparam("name_glob"))


@compiles(_Holds)
def _upper(element: _Holds, compiler: SQLCompiler, **more: Any) -> str:
    # In upper case, since the Greek small sigma has two forms.
    name, like, _ = element.clauses
    return compiler.process(func.upper(name).like(func.upper(like), escape="\\"), **more)


@compiles(_Holds, "sqlite")
def _like_and_glob(element: _Holds, compiler: SQLCompiler, **more: Any) -> str:
    name, like, glob = element.clauses
    both = name.like(like, escape="\\") & name.op("GLOB", is_comparison=True)(glob)
    return compiler.process(both.self_group(), **more)


def _literally(text: str) -> str:
    """For LIKE: what means something else there means itself."""
    return text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")


def _any_letter(text: str) -> str:
    """For SQLite's LIKE: a letter beyond A to Z that has two cases is any letter."""
    return "".join("_" if not each.isascii() and len(_cases(each)) > 1 else each for each in _literally(text))


def _choices(text: str) -> str:
    """For SQLite's GLOB: each letter in all its cases, and what means something else there means itself."""
    return "".join(
        f"[{''.join(sorted(cases))}]" if len(cases := _cases(each)) > 1 or each in "*?[" else each
        for each in text
    )


def _cases(letter: str) -> set[str]:
    """The letter in upper and lower case, as far as that is one letter, too."""
    upper = letter.upper()
    cases = {letter, letter.lower(), upper, upper.lower()} | ({"ς"} if upper == "Σ" else set())
    return {each for each in cases if len(each) == 1}
