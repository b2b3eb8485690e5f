"""Compare a line's single dose and total of a day with the formulary, by age and weight.

A child's range for each kilogram needs a weight. Where none is known, the usual weight of the age takes its place with
a wider margin, and the sentence says so. A child never needs more than an adult: the adult's range is the upper end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from csss.i18n import gettext as _
from csss.prescriptions import dose_checks
from csss.prescriptions.amounts import Per, read
from csss.prescriptions.dose_checks import PREPARATION, medicine_in, written
from csss.prescriptions.formulary import Formulary, Medicine
from csss.prescriptions.frequencies import is_once_a_week, times_a_day
from csss.prescriptions.lines import Line
from csss.prescriptions.models import Route
from csss.prescriptions.safety.facts import Code, PatientFacts, SafetyWarning, Severity, of_formulary
from csss.prescriptions.units import MEDICINE, Measure
from csss.prescriptions.usage import Range

_MARGIN = Fraction(11, 10)  # a dose is rounded to what there is
_WIDE_MARGIN = Fraction(3, 2)  # where the weight is estimated
_FAR = 2  # so many times the upper end is serious

_Told = tuple[Code, Severity, str]


@dataclass(frozen=True)
class _Given:
    """A line's amount of its medicine, in mg, units or mmol; `day` None: nobody knows how often. `exact`: written
    so, not counted in tablets."""

    one: Fraction
    day: Fraction | None
    measure: Measure
    exact: bool


@dataclass(frozen=True)
class _Limits:
    """`low` None: no lower end."""

    low: Fraction | None
    high: Fraction


def warnings(line: Line, route: Route, facts: PatientFacts, book: Formulary) -> Iterator[SafetyWarning]:
    """What is unusual about how much and how often. For creams and drops only their number is checked: their weight
    is not the medicine's."""
    medicines = book.find(line.drug)
    source = of_formulary(medicines[0].source) if medicines else ""
    kg = facts.weight_kg or facts.usual_weight
    excess = dose_checks.excess(line.drug, line.dose, route, line.frequency, book, kg=kg)
    if excess:
        severity = Severity.SERIOUS if excess.times >= _FAR else Severity.CAUTION
        yield SafetyWarning(Code.DAY_HIGH, severity, excess.sentence, source)
    if len(medicines) != 1 or route in PREPARATION:
        return
    medicine = medicines[0]
    for code, severity, sentence in (
        *_too_often(line, route, medicine),
        *_outside(line, route, medicine, facts, exceeded=excess is not None),
    ):
        yield SafetyWarning(code, severity, sentence, source)


def usual_dose(medicine: Medicine, route: Route) -> str | None:
    """An adult's usual single dose by this route in words; None when the formulary names none."""
    ranges = medicine.usage.ranges_for(child=False, route=route)
    told = [
        _("%(low)s to %(high)s", low=written(each.low, each.measure), high=written(each.high, each.measure))
        for each in ranges
        if not each.per_day and not each.per_kg and each.low is not None
    ]
    return _(" or ").join(told) or None


def _too_often(line: Line, route: Route, medicine: Medicine) -> Iterator[_Told]:
    if medicine.usage.is_weekly(route) and not is_once_a_week(line.frequency):
        sentence = _(
            "%(medicine)s is given once a week; taken daily it is dangerous. Write “once a week”.",
            medicine=medicine.name,
        )
        yield Code.FREQUENCY, Severity.SERIOUS, sentence


def _outside(
    line: Line, route: Route, medicine: Medicine, facts: PatientFacts, *, exceeded: bool
) -> Iterator[_Told]:
    ranges = medicine.usage.ranges_for(child=False, route=route)
    young = medicine.usage.ranges_for(child=True, route=route) if facts.child else ()
    if not ranges and not young:
        sentence = _("The formulary has no usual dose of %(medicine)s by this route.", medicine=medicine.name)
        yield Code.NO_RANGE, Severity.NOTE, sentence
        return
    if facts.child and not young and medicine.usage.youngest is None:
        sentence = _("The formulary has no dose of %(medicine)s for people under 18.", medicine=medicine.name)
        yield Code.AGE, Severity.SERIOUS, sentence
        return
    given = _given(line, medicine, facts)
    if given is None or exceeded:
        return
    for per_day, value in ((False, given.one), (True, given.day)):
        limits = _limits(ranges, young, given.measure, facts, per_day=per_day)
        if limits is not None and value is not None:
            yield from _compare(value, limits, given, medicine, _whom(facts, bool(young)), per_day=per_day)


def _given(line: Line, medicine: Medicine, facts: PatientFacts) -> _Given | None:
    """None for what cannot be compared: no amount of the medicine, a rate, an amount for each m²."""
    dose = read(line.dose)
    amount = medicine_in(dose, line.drug, [medicine]) if dose.trouble is None else None
    kg = facts.weight_kg or facts.usual_weight
    if amount is None or amount.measure not in MEDICINE or amount.in_ml is not None:
        return None
    if amount.per in (Per.HOUR, Per.MINUTE) or amount.per_m2 or (amount.per_kg and kg is None):
        return None
    number = amount.number * (kg if amount.per_kg and kg else 1)
    exact = dose.first(*MEDICINE) is not None
    times = times_a_day(line.frequency)
    if amount.per is Per.DAY:
        return _Given(number / (times or 1), number, amount.measure, exact)
    return _Given(number, number * times if times else None, amount.measure, exact)


def _limits(
    ranges: Sequence[Range], young: Sequence[Range], measure: Measure, facts: PatientFacts, *, per_day: bool
) -> _Limits | None:
    """The range of an adult, or of a child of this weight; None where nothing is said."""
    adult = _for_weight(ranges, measure, facts, per_day)
    if not young:
        return adult
    child = _for_weight(young, measure, facts, per_day)
    if child is None:
        return _Limits(None, adult.high) if adult else None
    if per_day:  # a day of a child is no less than one single dose of an adult, whatever the weight
        adult = _for_weight(ranges, measure, facts, False)
        low = min(child.low, adult.low) if child.low and adult and adult.low else child.low
        return _Limits(low, child.high)
    if adult is None:
        return child
    low = min(child.low, adult.low) if child.low and adult.low else child.low
    return _Limits(low, min(child.high, adult.high))


def _for_weight(
    ranges: Sequence[Range], measure: Measure, facts: PatientFacts, per_day: bool
) -> _Limits | None:
    """These ranges for this weight; one for each kilogram counts only when there is a weight."""
    kg = facts.weight_kg or facts.usual_weight
    margin = _MARGIN if facts.weight_kg else _WIDE_MARGIN
    found: list[_Limits] = []
    for each in ranges:
        if each.per_day is not per_day or each.measure is not measure:
            continue
        if not each.per_kg:
            found.append(_Limits(each.low, each.high))
        elif kg is not None:
            found.append(_Limits(each.low * kg / margin if each.low else None, each.high * kg * margin))
    if not found:
        return None
    lows = [each.low for each in found if each.low is not None]
    return _Limits(min(lows, default=None), min(each.high for each in found))


def _compare(
    value: Fraction, limits: _Limits, given: _Given, medicine: Medicine, whom: str, *, per_day: bool
) -> Iterator[_Told]:
    amount, name = written(value, given.measure), medicine.name
    what = (
        _("%(medicine)s: this comes to %(amount)s a day.", medicine=name, amount=amount)
        if per_day
        else _("%(medicine)s: a single dose is %(amount)s.", medicine=name, amount=amount)
    )
    if value > limits.high:
        severity = Severity.SERIOUS if value >= limits.high * _FAR else Severity.CAUTION
        usual = _("Usual is at most %(high)s%(whom)s.", high=written(limits.high, given.measure), whom=whom)
        yield Code.DAY_HIGH if per_day else Code.DOSE_HIGH, severity, f"{what} {usual}"
    elif limits.low is not None and value < limits.low and given.exact:
        usual = _("Usual is at least %(low)s%(whom)s.", low=written(limits.low, given.measure), whom=whom)
        yield Code.DAY_LOW if per_day else Code.DOSE_LOW, Severity.CAUTION, f"{what} {usual}"


def _whom(facts: PatientFacts, child: bool) -> str:
    if child and facts.weight_kg:
        return _(" for %(kg)s kg", kg=_number(facts.weight_kg))
    if child and facts.usual_weight:
        return _(
            " for %(kg)s kg, which is usual at this age (the weight is not known)",
            kg=_number(facts.usual_weight),
        )
    return ""


def _number(kg: Fraction) -> str:
    return f"{float(kg):.1f}".removesuffix(".0")
