"""Define units of doses: spellings, measure, allowed routes, and the plausible maximum a day."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from csss.prescriptions.models import Route


class Measure(StrEnum):
    MASS = "mg"
    UNITS = "units"
    MMOL = "mmol"
    VOLUME = "ml"
    PERCENT = "%"
    COUNT = "count"


MEDICINE = (Measure.MASS, Measure.UNITS, Measure.MMOL)  # measures of the medicine itself

_SWALLOWED = (Route.ORAL, Route.SUBLINGUAL)
_INJECTED = (Route.INTRAVENOUS, Route.INTRAMUSCULAR, Route.SUBCUTANEOUS)
_ON_THE_SKIN = (Route.TOPICAL, Route.TRANSDERMAL)
_EYE_EAR_NOSE = (Route.OPHTHALMIC, Route.OTIC, Route.NASAL)


@dataclass(frozen=True)
class Unit:
    """`factor` converts to mg, units, mmol or ml. `routes` are those by which it can be given (and OTHER); empty:
    any.

    `most_a_day` is a count above which anybody would check again, whatever the medicine; None: no limit.
    """

    name: str
    measure: Measure
    factor: Fraction = Fraction(1)
    routes: tuple[Route, ...] = ()
    most_a_day: int | None = None
    spellings: tuple[str, ...] = field(default=(), repr=False)

    def suits(self, route: Route) -> bool:
        return not self.routes or route is Route.OTHER or route in self.routes


def _mass(name: str, factor: Fraction, *spellings: str) -> Unit:
    return Unit(name, Measure.MASS, factor, spellings=spellings)


def _count(name: str, most: int | None, routes: tuple[Route, ...], *spellings: str) -> Unit:
    return Unit(name, Measure.COUNT, Fraction(1), routes, most, (name, f"{name}s", *spellings))


_NOT_A_PATCH = tuple(route for route in Route if route is not Route.TRANSDERMAL)

UNITS = (
    _mass("kg", Fraction(10**6), "kg", "kilogram", "kilograms"),
    _mass("g", Fraction(1000), "g", "gm", "gms", "gr", "gram", "grams", "gramme", "grammes"),
    _mass("mg", Fraction(1), "mg", "mgs", "mgm", "milligram", "milligrams", "milligramme", "milligrammes"),
    _mass(
        "micrograms",
        Fraction(1, 1000),
        *("mcg", "mcgs", "μg", "ug", "microg", "microgram", "micrograms", "microgramme", "microgrammes"),
    ),
    _mass("nanograms", Fraction(1, 10**6), "ng", "nanogram", "nanograms"),
    Unit(
        "units",
        Measure.UNITS,
        spellings=(
            *("iu", "i.u.", "ui", "u", "unit", "units", "international unit", "international units"),
            *("usp units", "e.", "ie"),
        ),
    ),
    Unit(
        "million units",
        Measure.UNITS,
        Fraction(10**6),
        spellings=("mu", "miu", "m.u.", "m units", "m iu", "m u"),
    ),
    Unit("mmol", Measure.MMOL, spellings=("mmol", "mmols", "millimole", "millimoles", "meq", "meqs")),
    Unit(
        "%",
        Measure.PERCENT,
        routes=(*_ON_THE_SKIN, *_EYE_EAR_NOSE, Route.RECTAL),
        spellings=("%", "percent", "per cent"),
    ),
    Unit(
        "ml",
        Measure.VOLUME,
        routes=_NOT_A_PATCH,
        most_a_day=6000,
        spellings=("ml", "mls", "cc", "millilitre", "millilitres", "milliliter", "milliliters"),
    ),
    Unit(
        "l", Measure.VOLUME, Fraction(1000), _NOT_A_PATCH, 6000, ("l", "litre", "litres", "liter", "liters")
    ),
    Unit(
        "teaspoon",
        Measure.VOLUME,
        Fraction(5),
        (Route.ORAL,),
        6000,
        ("tsp", "teaspoon", "teaspoons", "teaspoonful", "teaspoonfuls"),
    ),
    Unit(
        "tablespoon",
        Measure.VOLUME,
        Fraction(15),
        (Route.ORAL,),
        6000,
        ("tbsp", "tablespoon", "tablespoons", "tablespoonful", "tablespoonfuls"),
    ),
    _count(
        "tablet",
        40,
        _SWALLOWED,
        "tab",
        "tabs",
        "pill",
        "pills",
        "caplet",
        "caplets",
        "lozenge",
        "lozenges",
        "film",
        "films",
    ),
    _count("capsule", 40, (*_SWALLOWED, Route.INHALED), "cap", "caps", "softgel", "softgels"),
    _count(
        "sachet",
        16,
        (*_SWALLOWED, Route.RECTAL, Route.TOPICAL),
        "packet",
        "packets",
        "powder",
        "powders",
        "scoop",
        "scoops",
    ),
    _count(
        "puff",
        60,
        (Route.INHALED, Route.NASAL, Route.SUBLINGUAL),
        "inhalation",
        "inhalations",
        "actuation",
        "actuations",
    ),
    _count(
        "nebule", 24, (Route.INHALED,), "respule", "respules", "neb", "nebs", "nebulisation", "nebulisations"
    ),
    _count(
        "spray",
        60,
        (Route.INHALED, Route.NASAL, Route.SUBLINGUAL, Route.ORAL, Route.TOPICAL),
        "squirt",
        "squirts",
    ),
    _count("drop", 200, (*_EYE_EAR_NOSE, *_SWALLOWED, Route.TOPICAL), "gtt", "gtts"),
    _count("patch", 8, _ON_THE_SKIN, "patches", "plaster", "plasters"),
    _count("suppository", 12, (Route.RECTAL,), "suppositories", "supp", "supps", "enema", "enemas"),
    _count("pessary", 4, (), "pessaries", "ring", "rings", "implant", "implants"),
    _count(
        "ampoule",
        30,
        (*_INJECTED, Route.INHALED, Route.ORAL, Route.NASAL, Route.TOPICAL, Route.RECTAL),
        *("ampoule", "ampule", "ampules", "amp", "amps", "vial", "vials"),
    ),
    _count(
        "syringe",
        12,
        (*_INJECTED, Route.ORAL),
        "pen",
        "pens",
        "injection",
        "injections",
        "shot",
        "shots",
        "bag",
        "bags",
    ),
    _count(
        "application",
        24,
        (*_ON_THE_SKIN, *_EYE_EAR_NOSE, Route.RECTAL, Route.ORAL),
        *(
            "strip",
            "strips",
            "cm",
            "ribbon",
            "ribbons",
            "fingertip",
            "fingertips",
            "fingertip unit",
            "fingertip units",
        ),
        *("ftu", "ftus", "layer", "layers"),
    ),
    _count("dose", 24, (), "bottle", "bottles"),
)
COUNTED = tuple(unit for unit in UNITS if unit.measure is Measure.COUNT)
_BY_SPELLING = {spelling: unit for unit in UNITS for spelling in unit.spellings}


def find(spelling: str) -> Unit:
    """The unit with this spelling, in lower case."""
    return _BY_SPELLING[" ".join(spelling.split())]


def unit_pattern(units: tuple[Unit, ...] = UNITS) -> str:
    """A regular expression of all spellings, longest first."""
    spellings = sorted((each for unit in units for each in unit.spellings), key=len, reverse=True)
    return "|".join(re.escape(each).replace(r"\ ", r"\s+") for each in dict.fromkeys(spellings))
