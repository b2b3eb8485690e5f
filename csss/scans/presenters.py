"""Translate stored values into the words that people read. Templates never compare statuses; they ask this module."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from flask import current_app
from flask_babel.speaklater import LazyString

from csss.i18n import _, _l
from csss.inference.classes import belongs_to
from csss.inference.labels import Label, ModelCorrupt, ModelMissing, read_info
from csss.people.models import Sex
from csss.scans.models import Scan
from csss.scans.own_reading import Why, counts_as_uncertain, kind_when_read, why
from csss.scans.states import Agreement, HoldFor, Priority, RunState, ScanKind, Status

Key = TypeVar("Key")


class Words(Mapping[Key, str]):
    """Names of choices, each in the current reader's language."""

    def __init__(self, words: dict[Key, LazyString]) -> None:
        self._words = words

    def __getitem__(self, key: Key) -> str:
        return str(self._words[key])

    def __iter__(self) -> Iterator[Key]:
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)


KIND_NAMES: Words[ScanKind] = Words(
    {ScanKind.CHEST_XRAY: _l("Chest X-ray"), ScanKind.CARDIAC_MRI: _l("Cardiac MRI")}
)
SEX_NAMES: Words[Sex] = Words(
    {
        Sex.FEMALE: _l("Female"),
        Sex.MALE: _l("Male"),
        Sex.OTHER: _l("Other"),
        Sex.UNKNOWN: _l("Not stated"),
    }
)
AGREEMENT_NAMES: Words[Agreement] = Words(
    {
        Agreement.AGREE: _l("Agrees with the classifier"),
        Agreement.PARTLY: _l("Partly agrees with the classifier"),
        Agreement.DISAGREE: _l("Disagrees with the classifier"),
    }
)
PRIORITY_NAMES: Words[Priority] = Words({Priority.ROUTINE: _l("Routine"), Priority.URGENT: _l("Urgent")})


@dataclass(frozen=True)
class Tag:
    """A status in words, with a tone and an icon that repeat it (never colour alone)."""

    text: str
    tone: str  # of components/status_tag.html: neutral, wait, info, ok, warn or bad
    icon: str


@dataclass(frozen=True)
class _Kind:
    """A tag before translation."""

    text: LazyString
    tone: str
    icon: str

    def tag(self) -> Tag:
        return Tag(str(self.text), self.tone, self.icon)


_STAFF: dict[Status, _Kind] = {
    Status.PENDING_AI: _Kind(_l("Waiting for analysis"), "wait", "hourglass"),
    Status.AI_ANALYZED: _Kind(_l("Ready to read"), "info", "stethoscope"),
    Status.DOCTOR_VERIFIED: _Kind(_l("Verified by doctor"), "info", "check"),
    Status.PHARMACIST_COMPLETED: _Kind(_l("Waiting for approval"), "info", "pill"),
    Status.REPORT_READY: _Kind(_l("Report released"), "ok", "file"),
}
STATUS_NAMES: Words[Status] = Words({status: kind.text for status, kind in _STAFF.items()})
# The patient sees nothing about the classifier, and no promise before the report is stored.
_PATIENT: dict[Status, _Kind] = {
    Status.PENDING_AI: _Kind(_l("Received"), "wait", "hourglass"),
    Status.AI_ANALYZED: _Kind(_l("With the doctor"), "info", "stethoscope"),
    Status.DOCTOR_VERIFIED: _Kind(_l("With the pharmacist"), "info", "pill"),
    Status.PHARMACIST_COMPLETED: _Kind(_l("In final approval"), "info", "check"),
    Status.REPORT_READY: _Kind(_l("Report ready"), "ok", "file"),
}
_CLOSED = _Kind(_l("Closed"), "bad", "ban")
_WITHDRAWN = _Kind(_l("Withdrawn by the patient"), "neutral", "ban")
_RUNS: dict[RunState, _Kind] = {
    RunState.QUEUED: _Kind(_l("Analysis running"), "wait", "hourglass"),
    RunState.RUNNING: _Kind(_l("Analysis running"), "wait", "hourglass"),
    RunState.FAILED: _Kind(_l("Analysis failed"), "bad", "alert"),
}
_CRITICAL: dict[bool, _Kind] = {
    False: _Kind(_l("Critical: nobody has taken note"), "bad", "alert"),
    True: _Kind(_l("Critical result"), "bad", "alert"),
}
_UNCERTAIN = _Kind(_l("Ready to read – uncertain"), "warn", "warning")
_WITHOUT_CLASSIFIER = _Kind(_l("To be read without classifier"), "warn", "warning")
_TAKEN_BACK = _Kind(_l("Signature taken back"), "warn", "pause")
_HELD: dict[HoldFor, _Kind] = {
    HoldFor.DOCTOR: _Kind(_l("On hold for the doctor"), "warn", "pause"),
    HoldFor.PHARMACIST: _Kind(_l("On hold for the pharmacist"), "warn", "pause"),
}


def status_for_staff(scan: Scan) -> Tag:
    """The scan's status, or what blocks it: closed, on hold, analysis running or failed, uncertain."""
    return _staff_kind(scan).tag()


def critical_tag(acknowledged: bool | None) -> Tag | None:
    """Whether somebody has taken note of a critical result; None for a scan without one."""
    return _CRITICAL[acknowledged].tag() if acknowledged is not None else None


def _staff_kind(scan: Scan) -> _Kind:
    if scan.closure is not None:
        return _WITHDRAWN if scan.closure.withdrawn else _CLOSED
    if scan.open_hold is not None:
        return _TAKEN_BACK if scan.open_hold.taken_back is not None else _HELD[scan.open_hold.to]
    if scan.status is Status.PENDING_AI and scan.latest_run is not None:
        return _RUNS.get(scan.latest_run.state, _STAFF[scan.status])
    if scan.status is Status.AI_ANALYZED and counts_as_uncertain(scan):
        return _UNCERTAIN if why(scan) is not Why.NOT_READ else _WITHOUT_CLASSIFIER
    return _STAFF[scan.status]


def status_for_patient(scan: Scan, *, released: bool) -> Tag:
    if scan.closure is not None and scan.closure.withdrawn:
        return Tag(_("Withdrawn by you"), "neutral", "ban")
    if scan.closure is not None:
        return Tag(_("Closed – please upload again"), "bad", "ban")
    if scan.status is Status.REPORT_READY and not released:
        return Tag(_("Report is being made"), "wait", "hourglass")
    return _PATIENT[scan.status].tag()


def sent_as(scan: Scan) -> str | None:
    """The kind that the scan was sent as, if a doctor has corrected it since."""
    sent = scan.kind_corrections[0].was if scan.kind_corrections else scan.kind
    return KIND_NAMES[sent] if sent is not scan.kind else None


def kind_and_sent(scan: Scan) -> str:
    """For example: Chest X-ray, or Chest X-ray (sent as Cardiac MRI)."""
    kind, sent = KIND_NAMES[scan.kind], sent_as(scan)
    return _("%(kind)s (sent as %(sent)s)", kind=kind, sent=sent) if sent else kind


def kind_words(scan: Scan) -> str | None:
    """What a corrected or contradicted kind means for the classifier's answer; None when there is nothing to say."""
    found = scan.prediction
    if found is None or not found.available:
        return None
    given = kind_when_read(scan)
    name = human_name(found.top_label or found.label)
    fits = belongs_to(found.top_label or found.label, scan.kind)
    if given is scan.kind:
        if why(scan) is not Why.OTHER_KIND:
            return None
        return _("“%(name)s” is no class of this kind of scan: the answer does not count.", name=name)
    words = _(
        "The classifier gave its answer when the kind was %(was)s; a doctor has corrected it to %(became)s since.",
        was=KIND_NAMES[given],
        became=KIND_NAMES[scan.kind],
    )
    if not fits:
        more = _("“%(name)s” is no class of the corrected kind: the answer does not count.", name=name)
    elif found.uncertain:
        more = _("“%(name)s” belongs to the corrected kind, but the answer stays uncertain.", name=name)
    else:
        more = _(
            "“%(name)s” is a class of the corrected kind, too: the answer counts as it was given.", name=name
        )
    return f"{words} {more}"


def human_name(label: str) -> str:
    """The display name of a class of the active model; the plain label for a class that only an older model knew."""
    found = _labels(current_app.config["CSSS"].model or None).get(label)
    return found.title if found else label.replace("_", " ")


def finding_name(name: str) -> str:
    """The display name of a finding of the active model; the plain name for one that only an older model knew."""
    return _findings(current_app.config["CSSS"].model or None).get(name) or name.replace("_", " ")


def explanation(label: str) -> str | None:
    """The active model's description of a class; None for an unknown class."""
    found = _labels(current_app.config["CSSS"].model or None).get(label)
    return found.explanation if found else None


@lru_cache(maxsize=4)
def _labels(folder: str | None) -> dict[str, Label]:
    try:
        return {label.name: label for label in read_info(folder).labels}
    except (ModelMissing, ModelCorrupt):
        return {}


@lru_cache(maxsize=4)
def _findings(folder: str | None) -> dict[str, str]:
    try:
        return {finding.name: finding.title for finding in read_info(folder).findings}
    except (ModelMissing, ModelCorrupt):
        return {}
