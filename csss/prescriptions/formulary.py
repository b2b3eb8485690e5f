"""Read the local formulary: the medicines for completing a line, and what each may be confused with or duplicate.

It has two files beside this module, separated by semicolons, lists by `|`: `formulary.csv` (a hospital may use its
own instead, CSSS_FORMULARY) and `allergy_groups.csv`. Names are WHO INNs, codes those of the ATC index; they name
usual strengths and routes and recommend no dose. A line may always name something else.

The eight columns: name; ATC code; forms and strengths; routes; allergy groups; other names; maximum daily dose of
an adult; usual use. The last two may be missing or empty. The seventh is one amount ("4 g"), or several: one for a
route ("4 g|oral 2 g"; the one without a route applies to all others), or one in another measure ("240 mg|24,000
units"). For a combination it is the sum of all ingredients; for a medicine that is not taken daily, the amount of a
day on which it is taken. Above it a line needs a reason (`dose_checks`). The eighth is described in `usage`; a row
`source:;who says so;2026-11-30` names source and date of all that follow it, and no use may be told without one. The
values in our file are examples, to be reviewed by a pharmacist of the hospital.
"""

import csv
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar

from csss.config import BadSetting
from csss.prescriptions.amounts import Amount, read
from csss.prescriptions.models import Route
from csss.prescriptions.units import MEDICINE
from csss.prescriptions.usage import Usage, parse

DATA = Path(__file__).parent / "data"
_CODE = re.compile(r"[A-Z]\d\d[A-Z]{2}\d\d")
_WORD = re.compile(r"[a-z0-9]+")
T = TypeVar("T")
_NO_USAGE = Usage()
_COLUMNS = 6  # name, code, strengths, routes, groups, other names
_MORE = 2  # the maximum daily dose and the usual use are optional
SOURCE = "source:"  # begins a row that names who says so


@dataclass(frozen=True)
class Group:
    """Medicines that somebody allergic to one of them may not tolerate. `name` is used within a sentence."""

    key: str
    name: str
    words: tuple[str, ...]
    related: tuple[str, ...]  # keys of groups with cross-reactions


@dataclass(frozen=True)
class Limit:
    """The maximum daily dose by this route, or (None) by all routes without a limit of their own."""

    amount: Amount
    route: Route | None = None


@dataclass(frozen=True)
class Source:
    """Who says so, and the date on which it was looked at."""

    name: str
    day: date


@dataclass(frozen=True)
class Medicine:
    """One entry. `groups` are keys of `Formulary.groups`; `source` is None where nothing is said of its use."""

    name: str
    code: str
    strengths: str
    routes: tuple[Route, ...]
    groups: tuple[str, ...]
    other_names: tuple[str, ...]
    limits: tuple[Limit, ...] = ()
    usage: Usage = _NO_USAGE
    source: Source | None = None

    @property
    def ingredients(self) -> frozenset[str]:
        """The active ingredients, in lower case: two for a fixed combination."""
        return frozenset(self.name.lower().split(" and "))

    @property
    def drug_class(self) -> str:
        """Its chemical subgroup: the first five characters of the ATC code."""
        return self.code[:5]


@dataclass(frozen=True)
class Formulary:
    """All medicines sorted by name, and all allergy groups by key."""

    medicines: tuple[Medicine, ...]
    groups: dict[str, Group]

    def find(self, text: str) -> tuple[Medicine, ...]:
        """The medicines that a line's text names, in any spelling: "Amoxycillin 500 mg caps" is amoxicillin.

        A fixed combination wins over its parts, and an exact spelling wins over a similar one.
        """
        return tuple(dict.fromkeys(name.meaning for name in named(text, _medicine_names(self))))

    def __hash__(self) -> int:
        return id(self)  # one per file and process, see load()

    def __eq__(self, other: object) -> bool:
        return self is other


@cache
def load(path: str = "") -> Formulary:
    """The formulary in the file at `path`, or ours. Read once per process.

    Raises BadSetting, which names the line, when the file cannot be read or is invalid.
    """
    groups = {group.key: group for group in _groups()}
    file = Path(path) if path else DATA / "formulary.csv"
    medicines: dict[str, Medicine] = {}
    source: Source | None = None
    try:
        for number, row in rows(file):
            where = f"CSSS_FORMULARY, line {number}"
            if row[0] == SOURCE:
                source = source_of(row, where)
                continue
            medicine = _medicine(row, groups, source, where)
            if medicine.name.lower() in medicines:
                raise BadSetting(f"{where}: {medicine.name} is listed twice.")
            medicines[medicine.name.lower()] = medicine
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadSetting(f"CSSS_FORMULARY is {path!r}: the file cannot be read ({error}).") from error
    if not medicines:
        raise BadSetting(f"CSSS_FORMULARY is {path!r}: there is no medicine in the file.")
    return Formulary(tuple(medicines[name] for name in sorted(medicines)), groups)


def rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a file of ours with their line numbers, without comments."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        for number, row in enumerate(csv.reader(lines, delimiter=";"), start=1):
            if row and not row[0].startswith("#"):
                yield number, [cell.strip() for cell in row]


def source_of(row: list[str], where: str) -> Source:
    """The source that a row "source:;name;2026-11-30" names. Raises BadSetting."""
    try:
        _, name, day = row
        if name:
            return Source(name, date.fromisoformat(day))
    except ValueError:
        pass
    raise BadSetting(f"{where}: a source is written as “source:;who says so;2026-11-30”.")


def _groups() -> Iterator[Group]:
    for _, (key, name, spellings, related) in rows(DATA / "allergy_groups.csv"):
        yield Group(key, name, _list(spellings), _list(related))


def _medicine(row: list[str], groups: dict[str, Group], source: Source | None, where: str) -> Medicine:
    if not _COLUMNS <= len(row) <= _COLUMNS + _MORE:
        raise BadSetting(
            f"{where}: {_COLUMNS} columns are expected, separated by semicolons; a seventh may hold the maximum daily dose,"
            " an eighth the usual use."
        )
    name, code, strengths, routes, group_keys, other_names = row[:_COLUMNS]
    if not name:
        raise BadSetting(f"{where}: the name is missing.")
    if not any(words(name)) or not name.isprintable():
        raise BadSetting(
            f"{where}: {name!r} is no name that a line can be compared with: it needs Latin letters."
        )
    if not _CODE.fullmatch(code):
        raise BadSetting(f"{where}: {code!r} is no ATC code such as J01CA04.")
    for route in _list(routes):
        if route not in set(Route):
            raise BadSetting(f"{where}: {route!r} is no route; known are {', '.join(Route)}.")
    for key in _list(group_keys):
        if key not in groups:
            raise BadSetting(f"{where}: {key!r} is no allergy group; known are {', '.join(groups)}.")
    known_routes = tuple(Route(route) for route in _list(routes))
    limits = tuple(_limit(cell, where) for cell in _list("".join(row[_COLUMNS : _COLUMNS + 1])))
    usage = _usage("".join(row[_COLUMNS + 1 :]), where)
    told = usage != _NO_USAGE
    if told and source is None:
        raise BadSetting(f"{where}: say above it who says so: “source:;who says so;2026-11-30”.")
    return Medicine(
        *(name, code, strengths, known_routes, _list(group_keys), _list(other_names), limits, usage),
        source=source if told else None,
    )


def _usage(cell: str, where: str) -> Usage:
    try:
        return parse(cell)
    except ValueError as error:
        raise BadSetting(f"{where}: “{error}” is no usual use such as “adult dose 250 mg to 1 g”.") from None


def _limit(cell: str, where: str) -> Limit:
    first, _, rest = cell.partition(" ")
    route = Route(first) if first in set(Route) else None
    dose = read(rest if route else cell)
    amount = dose.amounts[0] if len(dose.amounts) == 1 else None
    if amount is None or amount.measure not in MEDICINE or amount != Amount(amount.number, amount.unit):
        raise BadSetting(f"{where}: {cell!r} is not a maximum daily dose such as “4 g” or “oral 2 g”.")
    return Limit(amount, route)


def _list(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split("|") if part.strip())


@cache
def _medicine_names(formulary: Formulary) -> dict[tuple[str, ...], Medicine]:
    """Every name of every medicine, as words."""
    found: dict[tuple[str, ...], Medicine] = {}
    for medicine in formulary.medicines:
        parts = medicine.name.split(" and ")
        for name in (medicine.name, *medicine.other_names, " ".join(parts), " ".join(reversed(parts))):
            found.setdefault(tuple(words(name)), medicine)
    return found


@dataclass(frozen=True)
class Named(Generic[T]):
    """The meaning of a part of a text, and the words of that part."""

    meaning: T
    typed: tuple[str, ...]
    start: int


def named(text: str, names: Mapping[tuple[str, ...], T]) -> list[Named[T]]:
    """Find all names in `text`, in order. No word is used twice."""
    typed = tuple(words(text))
    longest = max(map(len, names), default=0)
    found: list[Named[T]] = []
    taken: set[int] = set()
    for known in (_written, _alike):
        for length in range(min(longest, len(typed)), 0, -1):
            for start in range(len(typed) - length + 1):
                stretch = typed[start : start + length]
                if taken.isdisjoint(range(start, start + length)):
                    name = known(stretch, names)
                    if name is not None:
                        found.append(Named(names[name], stretch, start))
                        taken.update(range(start, start + length))
    return sorted(found, key=lambda each: each.start)


def _written(stretch: tuple[str, ...], names: Mapping[tuple[str, ...], object]) -> tuple[str, ...] | None:
    return stretch if stretch in names else None


def _alike(stretch: tuple[str, ...], names: Mapping[tuple[str, ...], object]) -> tuple[str, ...] | None:
    for name in names:
        if len(name) == len(stretch) and all(map(alike, name, stretch)):
            return name
    return None


def words(text: str) -> Iterator[str]:
    """The words of a text in lower case without accents: "Ciclosporín-A" gives ciclosporin and a."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return iter(_WORD.findall(plain))


# Different spellings of the same sound: amoxycillin, sulpha, cephalexin.
_SOUNDS = (("ph", "f"), ("th", "t"), ("ae", "e"), ("oe", "e"), ("y", "i"), ("k", "c"), ("z", "s"))


@cache
def _sound(word: str) -> str:
    for written, heard in _SOUNDS:
        word = word.replace(written, heard)
    return re.sub(r"(.)\1", r"\1", word)


def alike(name: str, typed: str) -> bool:
    """Whether `typed` means `name`: the same sound, or one typing error in six letters and two in ten.

    The first letter must match: pantoprazole is not lansoprazole.
    """
    if name == typed:
        return True
    if len(name) < 5 or len(typed) < 5:
        return False
    first, second = _sound(name), _sound(typed)
    slips = 0 if len(first) < 6 else 1 if len(first) < 10 else 2
    if first[0] != second[0] or abs(len(first) - len(second)) > slips:
        return False
    return _distance(first, second, slips)


def _distance(first: str, second: str, most: int) -> bool:
    """Whether at most `most` letters are wrong, missing, extra or swapped (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, start=1):
        older, before, row = before, row, [i]
        for j, other in enumerate(second, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return False
    return row[-1] <= most
