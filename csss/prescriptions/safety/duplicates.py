"""Find the same medicine, ingredient or class twice: on another line, or in what the patient takes already."""

from collections.abc import Sequence

from csss.i18n import gettext as _
from csss.prescriptions.formulary import Formulary, Medicine, alike, words
from csss.prescriptions.lines import Line
from csss.prescriptions.safety.facts import Code, SafetyWarning, Severity, Taken
from csss.prescriptions.safety.interactions import Interactions

# Groups that are one class although their ATC codes differ. Corticosteroids and inhaled medicines are none of them:
# they are given together on purpose.
_ONE_CLASS = frozenset(
    ("nsaids", "opioids", "benzodiazepines", "beta_blockers", "penicillins", "cephalosporins", "arbs")
)
_APART = "salicylates"  # a low dose of aspirin is no painkiller


def warning(
    line: Line, earlier: Sequence[Line], taken: Sequence[Taken], book: Formulary, usual: Interactions
) -> SafetyWarning | None:
    """The first duplicate: the same medicine before the same class, this prescription before what is taken."""
    medicines = book.find(line.drug)
    for other in earlier:
        if _same(line.drug, medicines, other.drug, book):
            sentence = _("The same medicine is on another line: %(other)s.", other=other.drug)
            return _told(Code.DUPLICATE, sentence)
    for each in taken:
        if _same(line.drug, medicines, each.drug, book):
            return _told(Code.DUPLICATE, _already(each), each)
    for other in earlier:
        if _same_class(medicines, book.find(other.drug), usual):
            sentence = _("A medicine of the same class is on another line: %(other)s.", other=other.drug)
            return _told(Code.DUPLICATE_CLASS, sentence)
    for each in taken:
        if _same_class(medicines, book.find(each.drug), usual):
            return _told(Code.DUPLICATE_CLASS, _already_class(each), each)
    return None


def _told(code: Code, sentence: str, taken: Taken | None = None) -> SafetyWarning:
    source = _("this prescription")
    if taken:
        source = _("earlier prescription") if taken.since else _("what the patient says")
    return SafetyWarning(code, Severity.CAUTION, sentence, source)


def _already(each: Taken) -> str:
    if not each.since:
        return _("The patient takes this already: %(other)s.", other=each.drug)
    return _(
        "The patient may still be taking this: %(other)s was prescribed on %(day)s.",
        other=each.drug,
        day=each.since,
    )


def _already_class(each: Taken) -> str:
    if not each.since:
        return _("The patient takes a medicine of the same class already: %(other)s.", other=each.drug)
    return _(
        "The patient may still be taking a medicine of the same class: %(other)s, prescribed on %(day)s.",
        other=each.drug,
        day=each.since,
    )


def _same(drug: str, medicines: Sequence[Medicine], other: str, book: Formulary) -> bool:
    others = book.find(other)
    if medicines and others:
        return any(one.ingredients & two.ingredients for one in medicines for two in others)
    if medicines or others:
        return False
    first, second = next(words(drug), ""), next(words(other), "")
    return bool(first) and alike(first, second)  # not in the formulary: take the first word as the name


def _same_class(medicines: Sequence[Medicine], others: Sequence[Medicine], usual: Interactions) -> bool:
    return any(_one_class(one, two) and not usual.usual(one, two) for one in medicines for two in others)


def _one_class(one: Medicine, two: Medicine) -> bool:
    if one.drug_class == two.drug_class:
        return True
    if _APART in one.groups or _APART in two.groups:
        return False
    return bool(_ONE_CLASS & set(one.groups) & set(two.groups))
