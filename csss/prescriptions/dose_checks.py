"""Check whether a dose is meaningful, and whether it exceeds the formulary's maximum daily dose.

A meaningless dose is refused: no positive number, no unit, a unit that does not suit the route or the medicine. A
dose above the maximum daily dose only needs a reason. What depends on the patient is in `safety`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from csss.i18n import gettext as _
from csss.prescriptions.amounts import Amount, Dose, Per, Trouble, read
from csss.prescriptions.formulary import Formulary, Medicine
from csss.prescriptions.frequencies import times_a_day
from csss.prescriptions.models import Route
from csss.prescriptions.units import COUNTED, MEDICINE, Measure, Unit, find, unit_pattern

# Used where the formulary names no maximum daily dose: this multiple of the greatest strength.
TIMES_THE_STRENGTH = 8
# Where no weight is known, a dose per kg or m² is compared for an adult of this size.
KG, M2 = 60, Fraction(18, 10)
_MOST_WRITTEN = Fraction(10**12)
_A_DAY = {Per.HOUR: 24, Per.MINUTE: 24 * 60, Per.DAY: 1}
# By these routes the weight is that of the cream or the drops, not of the medicine in it.
PREPARATION = (Route.TOPICAL, Route.OPHTHALMIC, Route.OTIC)
_RATES = (Route.INTRAVENOUS, Route.SUBCUTANEOUS, Route.TRANSDERMAL, Route.INHALED, Route.OTHER)
_FORMS = {"inhaler": "puff", "nebuliser": "nebule", "inhalation capsule": "capsule", "tablets": "tablet"}


def problem(drug: str, text: str, route: Route, book: Formulary) -> str | None:
    """Say why this cannot be a dose of this medicine by this route, in a sentence for the field; None when it can."""
    dose = read(text)
    if dose.trouble is not None:
        return _trouble(dose.trouble, route, text)
    for amount in dose.amounts:
        if not amount.unit.suits(route):
            return _(
                "“%(unit)s” does not fit the route “%(route)s”: correct the dose or the route.",
                unit=amount.unit.name,
                route=route.human,
            )
        if amount.per in (Per.HOUR, Per.MINUTE) and route not in _RATES:
            return _("A dose for each hour or minute does not fit the route “%(route)s”.", route=route.human)
        medicines = book.find(drug)
        known = _measures(medicines)
        if amount.measure in MEDICINE and known and amount.measure not in known and route not in PREPARATION:
            return _(
                "%(medicine)s is measured in %(known)s, not in %(unit)s.",
                medicine=names_of(medicines),
                known=_(" or ").join(_MEASURES[each] for each in MEDICINE if each in known),
                unit=_MEASURES[amount.measure],
            )
    return None


_MEASURES = {Measure.MASS: "mg", Measure.UNITS: "IU", Measure.MMOL: "mmol"}


def _trouble(trouble: Trouble, route: Route, text: str) -> str | None:
    if trouble is Trouble.NOT_POSITIVE:
        return _("A dose must be more than zero.")
    if trouble is Trouble.UNCLEAR:
        return _(
            "Write the number in plain digits: an exponent, or a raised, lowered or circled digit, cannot be read for "
            "certain."
        )
    if trouble is Trouble.NO_NUMBER:
        return _("Write how much: a number and a unit, for instance 500 mg or 2 tablets.")
    if route is Route.OTHER and re.search(r"[1-9]\s*[^\W\d_]", text):
        return None  # any other route has its own units
    return _(
        "Write a unit after the number, for instance mg, g, micrograms, IU, ml, tablets, drops or puffs."
    )


@dataclass(frozen=True)
class _Strengths:
    """The strengths that the formulary (or the line) names: amounts by form, and amounts per volume in ml."""

    pieces: tuple[tuple[str, Amount], ...] = ()
    concentrations: tuple[Amount, ...] = ()


def greatest_a_day(medicine: Medicine, route: Route | None) -> str | None:
    """The formulary's maximum daily dose, in words; None when it names none."""
    limits = {measure: _known_limit(medicine, route, measure) for measure in MEDICINE}
    return _(" or ").join(written(limit, measure) for measure, limit in limits.items() if limit) or None


@dataclass(frozen=True)
class Excess:
    """A line that exceeds a limit, in a sentence; `times` is how often the limit fits into it."""

    sentence: str
    times: Fraction


def warning(drug: str, text: str, route: Route, frequency: str, book: Formulary) -> str | None:
    """A sentence when the line exceeds the maximum daily dose that the formulary knows; None otherwise."""
    found = excess(drug, text, route, frequency, book)
    return found.sentence if found else None


def excess(
    drug: str, text: str, route: Route, frequency: str, book: Formulary, *, kg: Fraction | None = None
) -> Excess | None:
    """What exceeds the maximum daily dose of an adult; a dose per kilogram is compared for a person of `kg`."""
    medicines, dose = book.find(drug), read(text)
    if not medicines or dose.trouble is not None:
        return None
    times = times_a_day(frequency)
    if too_many := _too_many(dose, times, medicines):
        return too_many
    amount = None if route in PREPARATION else medicine_in(dose, drug, medicines)
    return _too_much(amount, times, route, medicines, kg) if amount is not None else None


def _too_many(dose: Dose, times: Fraction | None, medicines: Sequence[Medicine]) -> Excess | None:
    """Warn of more tablets, puffs or litres a day than is usual for any medicine."""
    for count in dose.amounts:
        most, total = count.unit.most_a_day, a_day(count, times)
        if most is not None and total > most and count.per not in (Per.HOUR, Per.MINUTE):
            sentence = _(
                "This comes to %(amount)s of %(medicine)s a day; more than %(most)s a day is unusual for any medicine.",
                amount=_counted(count.unit, total),
                medicine=names_of(medicines),
                most=_counted(count.unit, Fraction(most)),
            )
            return Excess(sentence, total / most)
    return None


def _too_much(
    amount: Amount,
    times: Fraction | None,
    route: Route,
    medicines: Sequence[Medicine],
    kg: Fraction | None,
) -> Excess | None:
    """Warn of more than the maximum daily dose; for several medicines in one line, more than the sum of theirs."""
    limits = [_limit(each, route, amount.measure) for each in medicines]
    limit = sum((each for each in limits if each is not None), Fraction(0))
    total = a_day(amount, times, kg)
    if None in limits or total <= limit:
        return None
    told = [
        _(
            "This comes to %(amount)s a day. The maximum daily dose of %(medicine)s is %(limit)s.",
            amount=written(total, amount.measure),
            medicine=names_of(medicines),
            limit=written(limit, amount.measure),
        )
    ]
    if times is None and amount.per is Per.DOSE:
        told.append(_("The frequency was not understood, so a single dose was compared."))
    if kg is None and (amount.per_kg or amount.per_m2):
        told.append(_("It was compared for a person of %(kg)s kg.", kg=KG))
    if not any(_known_limit(each, route, amount.measure) for each in medicines):
        told.append(
            _(
                "The formulary lists no maximum dose; %(times)s times the greatest strength was assumed.",
                times=TIMES_THE_STRENGTH,
            )
        )
    return Excess(" ".join(told), total / limit)


def names_of(medicines: Sequence[Medicine]) -> str:
    """The names in a sentence."""
    return _(" and ").join(each.name for each in medicines)


def a_day(amount: Amount, times: Fraction | None, kg: Fraction | None = None) -> Fraction:
    """In mg, units, mmol, ml or pieces. A single dose when the frequency is unknown."""
    number = amount.number * ((kg or KG) if amount.per_kg else 1) * (M2 if amount.per_m2 else 1)
    return number * _A_DAY.get(amount.per, times or Fraction(1))


def medicine_in(dose: Dose, drug: str, medicines: Sequence[Medicine]) -> Amount | None:
    """How much of the medicine a dose contains; tablets and spoons count by the strength in the line or the
    formulary.

    If several strengths match, take the smallest: what exceeds the limit with that exceeds it with each of them.
    """
    if (direct := dose.first(*MEDICINE)) is not None and direct.in_ml is None:
        return direct
    written, known = (
        _strengths(drug),
        _strengths(medicines[0].strengths) if len(medicines) == 1 else _Strengths(),
    )
    if volume := dose.first(Measure.VOLUME):
        given = (
            (dose.concentration,) if dose.concentration else written.concentrations or known.concentrations
        )
        if held := [each for each in given if each is not None]:
            weakest = min(held, key=_in_one_ml)
            number = volume.number * _in_one_ml(weakest)
            return Amount(number, weakest.unit, volume.per, volume.per_kg, volume.per_m2)
    if count := dose.first(Measure.COUNT):
        form = count.unit.name
        fitting = [each for _form, each in written.pieces]
        fitting = fitting or [each for its, each in known.pieces if its == form]
        fitting = fitting or ([each for _form, each in known.pieces] if form in ("tablet", "capsule") else [])
        if fitting:
            least = min(fitting, key=lambda each: each.number)
            return Amount(count.number * least.number, least.unit, count.per)
    return direct


def _in_one_ml(concentration: Amount) -> Fraction:
    return concentration.number / (concentration.in_ml or 1)


@lru_cache(maxsize=2048)
def _strengths(text: str) -> _Strengths:
    """Parse a text such as "inhaler 100 micrograms, nebuliser solution 2.5 mg, 5 mg"."""
    pieces: list[tuple[str, Amount]] = []
    concentrations: list[Amount] = []
    form = ""
    for part in re.split(r",\s+", text):
        if named := _form(part):
            form = named
        for amount in read(part).amounts:
            if amount.measure in MEDICINE and amount.in_ml is None:
                pieces.append((form, Amount(amount.number * _A_DAY.get(amount.per, 1), amount.unit)))
            elif amount.measure in MEDICINE:
                concentrations.append(amount)
        if held := re.search(r"(.+?)\s+in\s+(\d+(?:\.\d+)?)\s*ml", part, re.IGNORECASE):
            concentrations += [
                Amount(each.number, each.unit, in_ml=Fraction(held[2])) for each in read(held[1]).amounts
            ]
    return _Strengths(tuple(pieces), tuple(concentrations))


_FORM = re.compile(rf"\b({'|'.join([*_FORMS, unit_pattern(COUNTED)])})\b", re.IGNORECASE)


def _form(text: str) -> str:
    """The counted unit of a form in the formulary: a puff of an inhaler."""
    found = _FORM.search(text)
    name = found[1].lower() if found else ""
    return _FORMS.get(name) or (find(name).name if name else "")


def _limit(medicine: Medicine, route: Route, measure: Measure) -> Fraction | None:
    """The maximum daily dose: from the formulary, or a multiple of the greatest strength."""
    if (known := _known_limit(medicine, route, measure)) is not None:
        return known
    strengths = [
        each.number for _form, each in _strengths(medicine.strengths).pieces if each.measure is measure
    ]
    return max(strengths) * TIMES_THE_STRENGTH if strengths else None


def _known_limit(medicine: Medicine, route: Route | None, measure: Measure) -> Fraction | None:
    found = {limit.route: limit.amount.number for limit in medicine.limits if limit.amount.measure is measure}
    return found.get(route, found.get(None))


def _measures(medicines: Sequence[Medicine]) -> frozenset[Measure]:
    """The measures that the formulary uses for these medicines; empty when it does not say."""
    found: set[Measure] = set()
    for medicine in medicines:
        strengths = _strengths(medicine.strengths)
        amounts = [*(each for _form, each in strengths.pieces), *strengths.concentrations]
        amounts += [limit.amount for limit in medicine.limits]
        if not amounts:
            return frozenset()
        found |= {each.measure for each in amounts}
    return frozenset(found)


def _counted(unit: Unit, number: Fraction) -> str:
    plural = {"patch": "patches", "suppository": "suppositories", "pessary": "pessaries"}
    name = (
        unit.name if unit.measure is Measure.VOLUME or number == 1 else plural.get(unit.name, f"{unit.name}s")
    )
    return f"{_plain(number)} {'ml' if unit.measure is Measure.VOLUME else name}"


def written(number: Fraction, measure: Measure) -> str:
    """In the most readable unit, with a non-breaking space: 15 mg, 50 g, 300 micrograms, 40,000 IU."""
    unit = _MEASURES.get(measure, measure.value)
    if measure is Measure.MASS and number >= 1000:
        number, unit = number / 1000, "g"
    elif measure is Measure.MASS and number < 1:
        number, unit = number * 1000, find("micrograms").name
    return f"{_plain(number)}\N{NO-BREAK SPACE}{unit}"


def _plain(number: Fraction) -> str:
    """At most three decimals, with thousands separators: 2.403, 50,000. Absurdly large numbers are not printed in
    full."""
    return f"{float(min(number, _MOST_WRITTEN)):,.3f}".rstrip("0").rstrip(".")
