"""A scan in the values that pages of several roles show: the classifier's reading, the patient, the versions."""

from dataclasses import dataclass
from datetime import date, datetime

from flask import current_app, url_for
from flask_login import current_user

from csss.ages import Age, age_on
from csss.i18n import _
from csss.inference.classes import belongs_to
from csss.people.models import Sex
from csss.people.permissions import Permission
from csss.reports.context import Probability
from csss.reports.models import ReportVersion
from csss.scans.models import Prediction, Scan
from csss.scans.own_reading import counts_as_uncertain
from csss.scans.presenters import SEX_NAMES, explanation, human_name, kind_words
from csss.web.filters import size, when
from csss.web.findings_view import FindingsView, findings_view
from csss.web.model_cards import card_url


@dataclass(frozen=True)
class ClassifierView:
    """A prediction in words. `label` is "Uncertain" for an uncertain answer; `nearest` is then the most probable class.

    `about_kind` says what a later correction of the kind means for the answer.
    """

    label: str
    uncertain: bool
    nearest: str | None
    explanation: str | None
    reason: str | None
    about_kind: str | None
    other_kind: bool  # the nearest class is of another kind than the scan
    far: str | None  # for an uncertain answer: how far it is from the threshold, in numbers
    confidence: float
    threshold: float
    bars: tuple[Probability, ...]  # of the classes that this kind of scan can be, the most probable first
    other_bars: tuple[Probability, ...]  # of the rest
    leading: str | None
    model_version: str
    model_url: str | None  # its model card, where there is such a page
    heatmap_url: str | None
    findings: FindingsView | None  # None where the classifier names none


@dataclass(frozen=True)
class VersionView:
    """One stored PDF, ready to be fetched."""

    title: str
    url: str
    made: str
    size: str
    sha256: str


def classifier_view(scan: Scan) -> ClassifierView | None:
    """The classifier's reading; None when there is none (yet, or the scan was read without)."""
    found = scan.prediction
    if found is None or not found.available:
        return None
    uncertain = counts_as_uncertain(scan)
    bars = sorted(
        (
            Probability(name=name, human=human_name(name), value=value)
            for name, value in found.probabilities.items()
        ),
        key=lambda bar: -bar.value,
    )
    return ClassifierView(
        label=_("Uncertain") if uncertain else human_name(found.label),
        uncertain=uncertain,
        nearest=human_name(found.top_label) if uncertain and found.top_label else None,
        explanation=None if uncertain else explanation(found.label),
        reason=found.reason or None,
        about_kind=kind_words(scan),
        other_kind=not belongs_to(found.top_label or found.label, scan.kind),
        far=_how_far(found) if found.uncertain else None,
        confidence=found.confidence or 0.0,
        threshold=found.threshold_used or 0.0,
        bars=tuple(each for each in bars if belongs_to(each.name, scan.kind)),
        other_bars=tuple(each for each in bars if not belongs_to(each.name, scan.kind)),
        leading=None if uncertain else found.label,
        model_version=found.model_version,
        model_url=_model_url(found.model_version),
        heatmap_url=url_for("files.heatmap", scan_id=scan.id) if found.heatmap_key else None,
        findings=findings_view(scan),
    )


def _how_far(found: Prediction) -> str | None:
    """The class that came second; None when the answer is uncertain for another reason than its numbers. The nearest
    class and the threshold are shown above.
    """
    best = sorted(found.probabilities.items(), key=lambda each: each[1], reverse=True)[:2]
    if len(best) < 2 or found.threshold_used is None or best[0][1] >= found.threshold_used:
        return None
    second, its = best[1]
    return _("Next comes “%(second)s” with %(its)s %%.", second=human_name(second), its=f"{its * 100:.1f}")


def _model_url(version: str) -> str | None:
    """The address of this model's card; None for patients, and for a model that is no longer installed."""
    return card_url(version) if current_user.may(Permission.MODEL_READ) else None


def age_at(born: date, moment: datetime) -> Age:
    """The age at `moment` in the hospital's time zone; 0 days if the birth date is later."""
    on = moment.astimezone(current_app.config["CSSS"].zone).date()
    return age_on(born, max(born, on))


def age_and_sex(scan: Scan) -> str:
    """Age and sex at the time of the scan: "46 years, female", "5 months, male"."""
    age = age_at(scan.patient.date_of_birth, scan.uploaded_at)
    return with_sex(age, scan.patient.sex)


def with_sex(age: Age, sex: Sex) -> str:
    """46 years, female."""
    return _("%(age)s, %(sex)s", age=age.words, sex=SEX_NAMES[sex].lower())


def version_view(version: ReportVersion) -> VersionView:
    return VersionView(
        title=_("Version %(number)s", number=version.version),
        url=url_for("files.report", report_id=version.id),
        made=when(version.created_at),
        size=size(version.size),
        sha256=version.sha256,
    )
