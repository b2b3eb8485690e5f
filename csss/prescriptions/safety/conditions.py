"""Warn about what speaks against a medicine for this patient: age, pregnancy, breast-feeding, kidneys."""

from collections.abc import Iterator

from csss.i18n import gettext as _
from csss.i18n import ngettext as _n
from csss.prescriptions.formulary import Medicine
from csss.prescriptions.safety.facts import (
    Code,
    Kidney,
    PatientFacts,
    SafetyWarning,
    Severity,
    of_formulary,
)
from csss.prescriptions.usage import UseAdvice

OLDER = 65 * 12  # months

_Told = tuple[Code, Severity, str]


def warnings(medicine: Medicine, facts: PatientFacts) -> Iterator[SafetyWarning]:
    """What the formulary says against it. Nothing is said where it knows nothing."""
    for code, severity, sentence in (
        *_of_age(medicine, facts),
        *_of_pregnancy(medicine, facts),
        *_of_breast_feeding(medicine, facts),
        *_of_kidneys(medicine, facts),
    ):
        yield SafetyWarning(code, severity, sentence, of_formulary(medicine.source))


def _of_age(medicine: Medicine, facts: PatientFacts) -> Iterator[_Told]:
    youngest = medicine.usage.youngest
    if facts.months is None:
        return
    if youngest is not None and facts.months < youngest:
        sentence = _(
            "%(medicine)s is for people of %(age)s or more.", medicine=medicine.name, age=_age(youngest)
        )
        yield Code.AGE, Severity.SERIOUS, sentence
    elif medicine.usage.older and facts.months >= OLDER:
        sentence = _(
            "%(medicine)s can make people of 65 years and more confused, fall or bleed: less of it, or another medicine.",
            medicine=medicine.name,
        )
        yield Code.AGE, Severity.CAUTION, sentence


def _of_pregnancy(medicine: Medicine, facts: PatientFacts) -> Iterator[_Told]:
    advice = medicine.usage.pregnancy
    pregnant = facts.pregnancy is not None and facts.pregnancy.pregnant
    if pregnant and advice is UseAdvice.AVOID:
        sentence = _("%(medicine)s is avoided in pregnancy.", medicine=medicine.name)
        yield Code.PREGNANCY, Severity.SERIOUS, sentence
    elif pregnant and advice is UseAdvice.CAUTION:
        sentence = _("%(medicine)s is taken in pregnancy only when it is needed.", medicine=medicine.name)
        yield Code.PREGNANCY, Severity.CAUTION, sentence
    elif facts.may_be_pregnant and advice is UseAdvice.AVOID:
        sentence = _(
            "%(medicine)s is avoided in pregnancy. Whether the patient is pregnant is not known: ask.",
            medicine=medicine.name,
        )
        yield Code.PREGNANCY, Severity.NOTE, sentence


def _of_breast_feeding(medicine: Medicine, facts: PatientFacts) -> Iterator[_Told]:
    advice = medicine.usage.breast_feeding
    if advice is None or facts.pregnancy is None or not facts.pregnancy.breast_feeding:
        return
    if advice is UseAdvice.AVOID:
        sentence = _("%(medicine)s is avoided while breast-feeding.", medicine=medicine.name)
        yield Code.BREAST_FEEDING, Severity.SERIOUS, sentence
    else:
        sentence = _("%(medicine)s passes into breast milk: for a short time only.", medicine=medicine.name)
        yield Code.BREAST_FEEDING, Severity.CAUTION, sentence


def _of_kidneys(medicine: Medicine, facts: PatientFacts) -> Iterator[_Told]:
    avoid, reduce = medicine.usage.kidney_avoid or 0, medicine.usage.kidney_reduce or 0
    if facts.egfr is not None and facts.egfr < avoid:
        sentence = _(
            "%(medicine)s is avoided below an eGFR of %(limit)s. The patient’s is %(egfr)s.",
            medicine=medicine.name,
            limit=avoid,
            egfr=facts.egfr,
        )
        yield Code.KIDNEY, Severity.SERIOUS, sentence
    elif facts.egfr is not None and facts.egfr < reduce:
        sentence = _(
            "Below an eGFR of %(limit)s, %(medicine)s needs a smaller dose or care. The patient’s is %(egfr)s.",
            medicine=medicine.name,
            limit=reduce,
            egfr=facts.egfr,
        )
        yield Code.KIDNEY, Severity.CAUTION, sentence
    elif facts.egfr is None and facts.kidney is Kidney.DISEASE and (avoid or reduce):
        sentence = _(
            "The patient has a kidney disease, and the eGFR is not known. %(medicine)s depends on it below %(limit)s.",
            medicine=medicine.name,
            limit=max(avoid, reduce),
        )
        yield Code.KIDNEY, Severity.CAUTION, sentence


def _age(months: int) -> str:
    if months % 12:
        return _n("%(num)s month", "%(num)s months", months)
    return _n("%(num)s year", "%(num)s years", months // 12)
