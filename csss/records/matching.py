"""Decide whether something that names a patient belongs to a record. Only values: neither Flask nor the database.

**Nothing is ever attached by one identifier.** A number, a birth date and a name that fits have to agree in one record,
and nothing may speak against it; else a person decides. The same functions say in which fields two records differ
before they are merged.
"""

import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from csss.people.names import plain_words

Number = tuple[str, str]  # issuer (empty: not said) and number


@dataclass(frozen=True)
class NamedPatient:
    """How a study, a message or a form names a patient. Empty, or None, is what it does not say."""

    numbers: frozenset[Number]
    name: str  # as people write it, or as DICOM does: "Raman^Priya"
    date_of_birth: date | None
    sex: str = ""  # "female", "male"; anything else says nothing


@dataclass(frozen=True)
class Candidate:
    """A patient record, with every number that it has."""

    id: uuid.UUID
    numbers: frozenset[Number]
    name: str
    date_of_birth: date
    sex: str = ""


class MatchAnswer(StrEnum):
    ATTACH = "attach"  # to exactly one record
    ASK = "ask"  # something agrees: a person decides
    NOBODY = "nobody"  # nothing agrees with any record


@dataclass(frozen=True)
class Match:
    """`record` with ATTACH alone; `candidates` are the records of which something agrees, the most likely first."""

    answer: MatchAnswer
    record: Candidate | None
    candidates: tuple[Candidate, ...]


class Field(StrEnum):
    NAME = "name"
    DATE_OF_BIRTH = "date_of_birth"
    SEX = "sex"


def match(named: NamedPatient, records: Sequence[Candidate]) -> Match:
    """The record that all three point to, if nothing speaks against it and no other record has one of the numbers."""
    agreeing = [(each, _agreement(named, each)) for each in records]
    likely = sorted((pair for pair in agreeing if pair[1]), key=lambda pair: (-len(pair[1]), str(pair[0].id)))
    found = tuple(each for each, _ in likely)
    whole = [each for each, agrees in likely if len(agrees) == 3 and not _differs_in_sex(named.sex, each.sex)]
    same_number = [each for each, agrees in likely if "number" in agrees]
    if len(whole) == 1 and same_number == whole:
        return Match(MatchAnswer.ATTACH, whole[0], found)
    return Match(MatchAnswer.ASK if found else MatchAnswer.NOBODY, None, found)


def _agreement(named: NamedPatient, record: Candidate) -> frozenset[str]:
    """Which of number, birth date and name agree. A birth date alone agrees with too many to be worth showing."""
    found = set()
    if shares_number(named.numbers, record.numbers):
        found.add("number")
    if named.date_of_birth is not None and named.date_of_birth == record.date_of_birth:
        found.add("birth date")
    if names_fit(named.name, record.name):
        found.add("name")
    return frozenset(found if found != {"birth date"} else ())


def shares_number(some: Iterable[Number], others: Iterable[Number]) -> bool:
    """Whether a number stands on both sides, given by the same issuer as far as it is said."""
    known = [(plain_number(issuer), plain_number(number)) for issuer, number in others]
    return any(
        plain_number(number) == other
        and bool(other)
        and (not issuer or not giver or plain_number(issuer) == giver)
        for issuer, number in some
        for giver, other in known
    )


def differences(one: Candidate, other: Candidate) -> tuple[Field, ...]:
    """The fields in which two records of one person would not agree; a person confirms each before a merge."""
    found = []
    if not names_fit(one.name, other.name):
        found.append(Field.NAME)
    if one.date_of_birth != other.date_of_birth:
        found.append(Field.DATE_OF_BIRTH)
    if _differs_in_sex(one.sex, other.sex):
        found.append(Field.SEX)
    return tuple(found)


def _differs_in_sex(one: str, other: str) -> bool:
    """Only when both say one of two and not the same: "other" and "unknown" contradict nobody."""
    return {one, other} == {"female", "male"}


_TITLES = frozenset({"dr", "miss", "mr", "mrs", "ms", "prof", "shri", "smt", "thiru", "thirumathi"})


def names_fit(one: str, other: str) -> bool:
    """Whether two names can be one person's: the same words in any order, where an initial stands for a word.

    "R. Priya" fits "Priya Raman" and "RAMAN^PRIYA^^Mrs". A word that only one of them has must not contradict: "Priya"
    alone does not fit "Priya Raman", because a single word is the name of many, twins of one family name included.
    """
    short, long = sorted((_words(one), _words(other)), key=len)
    if not short or not any(len(word) > 1 for word in short):
        return False
    left = list(long)
    for word in sorted(
        short, key=len, reverse=True
    ):  # whole words first, so that no initial takes their place
        fit = next((each for each in left if each == word), None) or next(
            (each for each in left if 1 in (len(each), len(word)) and each[0] == word[0]), None
        )
        if fit is None:
            return False
        left.remove(fit)
    whole = [word for word in short if len(word) > 1 and word in long]
    rest_says_nothing = all(len(each) == 1 for each in left)
    return bool(whole) and (rest_says_nothing or len(short) > 1)


def _words(name: str) -> list[str]:
    """The words of a name without titles. DICOM separates its parts by ^, and scripts by =: the first one counts."""
    first = name.split("=", maxsplit=1)[0].replace("^", " ")
    # A dot ends an initial: "R.Priya" has two words.
    apart = re.sub(r"\.(?=\w)", ". ", first)
    pieces = [piece for part in apart.replace("-", " ").split() for piece in plain_words(part).split()]
    return [word for word in pieces if word not in _TITLES]


def plain_number(number: str) -> str:
    """A number or an issuer without the blanks and hyphens with which people group it, in lower case."""
    return re.sub(r"[\s\-]+", "", number).casefold()
