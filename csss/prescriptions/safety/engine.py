"""Put all checks of a prescription together."""

from collections.abc import Iterator, Sequence

from csss.i18n import gettext as _
from csss.prescriptions import allergies
from csss.prescriptions.dose_checks import PREPARATION
from csss.prescriptions.formulary import Formulary, Source
from csss.prescriptions.lines import Line
from csss.prescriptions.models import Route
from csss.prescriptions.safety import conditions, doses, duplicates
from csss.prescriptions.safety.facts import Code, PatientFacts, SafetyWarning, Severity
from csss.prescriptions.safety.interactions import Interactions

_ORDER = list(Severity)


def check(
    facts: PatientFacts, lines: Sequence[Line], book: Formulary, interactions: Interactions
) -> list[tuple[SafetyWarning, ...]]:
    """The warnings of each line, the most serious first. It reads nothing but what it is given.

    What two lines have to do with each other is said at the later one.
    """
    found = []
    lines = [each.as_written for each in lines]
    for number, line in enumerate(lines):
        told = dict.fromkeys(_of_line(line, lines[:number], facts, book, interactions))
        found.append(tuple(sorted(told, key=lambda each: _ORDER.index(each.severity))))
    return found


def _of_line(
    line: Line, earlier: Sequence[Line], facts: PatientFacts, book: Formulary, interactions: Interactions
) -> Iterator[SafetyWarning]:
    route = Route(line.route) if line.route in set(Route) else Route.OTHER
    medicines = book.find(line.drug)
    if against := allergies.objection(line.drug, allergies.read(facts.allergies, book), book):
        code = Code.ALLERGY if against.itself else Code.ALLERGY_CLASS
        yield SafetyWarning(code, Severity.SERIOUS, against.sentence, _("the patient’s record"))
    if twice := duplicates.warning(line, earlier, facts.taking, book, interactions):
        yield twice
    if not medicines and line.drug.strip():
        sentence = _(
            "This medicine is not in the formulary: how much is too much, and with what, is not checked."
        )
        yield SafetyWarning(Code.UNKNOWN_MEDICINE, Severity.NOTE, sentence)
    yield from doses.warnings(line, route, facts, book)
    if route in PREPARATION:
        return  # too little of it reaches the body
    for medicine in medicines:
        yield from conditions.warnings(medicine, facts)
    yield from _together(line, earlier, facts, book, interactions)


def _together(
    line: Line, earlier: Sequence[Line], facts: PatientFacts, book: Formulary, interactions: Interactions
) -> Iterator[SafetyWarning]:
    others = [each.drug for each in earlier if each.route not in PREPARATION]
    others += [each.drug for each in facts.taking]
    known = dict.fromkeys(found for drug in others for found in book.find(drug))
    for medicine in book.find(line.drug):
        for other in known:
            each = interactions.between(medicine, other) if other != medicine else None
            if each is not None:
                pair = _("%(one)s and %(other)s", one=medicine.name, other=other.name)
                sentence = _("%(pair)s: %(what)s", pair=pair, what=each.sentence)
                severity = each.severity or Severity.NOTE
                yield SafetyWarning(Code.INTERACTION, severity, sentence, _of_list(each.source))


def _of_list(source: Source) -> str:
    return _("list of interactions: %(name)s, %(day)s", name=source.name, day=source.day.isoformat())
