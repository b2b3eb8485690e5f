"""Parse how a medicine is usually used: the eighth column of the formulary, statements separated by `|`.

    adult dose 250 mg to 1 g            a single dose of an adult; with a route: "adult oral dose …"
    adult day at most 75 mg/kg          the total of a day; per kilogram where the weight is known
    child day 40 mg to 90 mg/kg         the same for a child; "child dose …" for a single dose
    from 12 years                       nobody younger ("months" is possible, too)
    older caution                       people of 65 years and more
    pregnancy avoid, breast-feeding caution
    kidney reduce below 50, kidney avoid below 30      eGFR in ml/min/1.73 m²
    once a week                         never daily; with a route: "once a week subcutaneous"

A statement with a route applies to that route alone; without one, to all routes that have none of their own.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from csss.prescriptions.amounts import Amount, read
from csss.prescriptions.models import Route
from csss.prescriptions.units import MEDICINE, Measure


class UseAdvice(StrEnum):
    AVOID = "avoid"
    CAUTION = "caution"


@dataclass(frozen=True)
class Range:
    """What is usual. `low` and `high` are in mg, units or mmol, for each kilogram when `per_kg`; `low` None: no
    lower end."""

    child: bool
    per_day: bool
    route: Route | None
    low: Fraction | None
    high: Fraction
    measure: Measure
    per_kg: bool


@dataclass(frozen=True)
class Usage:
    """What the formulary says of a medicine's use; an empty one says nothing. Ages are in months."""

    ranges: tuple[Range, ...] = ()
    youngest: int | None = None
    older: bool = False
    pregnancy: UseAdvice | None = None
    breast_feeding: UseAdvice | None = None
    kidney_avoid: int | None = None
    kidney_reduce: int | None = None
    weekly: tuple[Route | None, ...] = ()

    def ranges_for(self, *, child: bool, route: Route) -> tuple[Range, ...]:
        """The ranges of this route, or those without a route when it has none."""
        fitting = [each for each in self.ranges if each.child is child]
        own = tuple(each for each in fitting if each.route is route)
        return own or tuple(each for each in fitting if each.route is None)

    def is_weekly(self, route: Route) -> bool:
        return route in self.weekly or None in self.weekly


_RANGE = re.compile(r"(adult|child) (?:([a-z]+) )?(dose|day) (?:at most (.+)|(.+) to (.+))")
_YOUNGEST = re.compile(r"from (\d+) (years?|months?)")
_ADVICE = re.compile(r"(pregnancy|breast-feeding) (avoid|caution)")
_KIDNEY = re.compile(r"kidney (avoid|reduce) below (\d+)")
_WEEKLY = re.compile(r"once a week(?: ([a-z]+))?")


def parse(cell: str) -> Usage:
    """The statements of one cell. Raises ValueError with the statement that is not understood."""
    values: dict[str, object] = {}
    ranges: list[Range] = []
    weekly: list[Route | None] = []
    for statement in filter(None, (part.strip() for part in cell.split("|"))):
        if found := _RANGE.fullmatch(statement):
            ranges.append(_range(found, statement))
        elif found := _YOUNGEST.fullmatch(statement):
            values["youngest"] = int(found[1]) * (12 if found[2].startswith("year") else 1)
        elif statement == "older caution":
            values["older"] = True
        elif found := _ADVICE.fullmatch(statement):
            values[found[1].replace("-", "_")] = UseAdvice(found[2])
        elif found := _KIDNEY.fullmatch(statement):
            values[f"kidney_{found[1]}"] = int(found[2])
        elif found := _WEEKLY.fullmatch(statement):
            weekly.append(_route(found[1], statement))
        else:
            raise ValueError(statement)
    return Usage(tuple(ranges), weekly=tuple(weekly), **values)  # type: ignore[arg-type]


def _range(found: "re.Match[str]", statement: str) -> Range:
    high = _amount(found[4] or found[6], statement)
    low = None
    if found[5]:
        low = _amount(found[5], statement)
        if low.measure is not high.measure or low.number > high.number:
            raise ValueError(statement)
    return Range(
        child=found[1] == "child",
        per_day=found[3] == "day",
        route=_route(found[2], statement),
        low=low.number if low else None,
        high=high.number,
        measure=high.measure,
        per_kg=high.per_kg,
    )


def _amount(text: str, statement: str) -> Amount:
    dose = read(text)
    if len(dose.amounts) != 1:
        raise ValueError(statement)
    amount = dose.amounts[0]
    if amount.measure not in MEDICINE or amount.in_ml is not None:
        raise ValueError(statement)
    return amount


def _route(name: str | None, statement: str) -> Route | None:
    if name is None:
        return None
    if name not in set(Route):
        raise ValueError(statement)
    return Route(name)
