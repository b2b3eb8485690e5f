"""The words people read for what the records hold. Templates compare no statuses; they ask here."""

from dataclasses import dataclass
from functools import lru_cache

from flask import current_app

from csss.auth.models import Sex
from csss.inference.labels import ModelCorrupt, ModelMissing, read_info
from csss.scans.models import Scan
from csss.scans.states import Agreement, Priority, RunState, ScanKind, Status

KIND_NAMES: dict[ScanKind, str] = {
    ScanKind.CHEST_XRAY: "Chest X-ray",
    ScanKind.CARDIAC_MRI: "Cardiac MRI",
}
SEX_NAMES: dict[Sex, str] = {
    Sex.FEMALE: "Female",
    Sex.MALE: "Male",
    Sex.OTHER: "Other",
    Sex.UNKNOWN: "Not stated",
}
AGREEMENT_NAMES: dict[Agreement, str] = {
    Agreement.AGREE: "Agrees with the classifier",
    Agreement.PARTLY: "Partly agrees with the classifier",
    Agreement.DISAGREE: "Disagrees with the classifier",
}
PRIORITY_NAMES: dict[Priority, str] = {Priority.ROUTINE: "Routine", Priority.URGENT: "Urgent"}


@dataclass(frozen=True)
class Tag:
    """A status in words, with the tone and icon that repeat it (never colour alone)."""

    text: str
    tone: str  # of components/status_tag.html: neutral, wait, info, ok, warn or bad
    icon: str


_STAFF: dict[Status, Tag] = {
    Status.PENDING_AI: Tag("Waiting for analysis", "wait", "hourglass"),
    Status.AI_ANALYZED: Tag("Ready to read", "info", "stethoscope"),
    Status.DOCTOR_VERIFIED: Tag("Verified by doctor", "info", "check"),
    Status.PHARMACIST_COMPLETED: Tag("Waiting for approval", "info", "pill"),
    Status.REPORT_READY: Tag("Report released", "ok", "file"),
}
STATUS_NAMES: dict[Status, str] = {status: tag.text for status, tag in _STAFF.items()}
# For the patient nothing about the classifier, and no promise before the report is stored.
_PATIENT: dict[Status, Tag] = {
    Status.PENDING_AI: Tag("Received", "wait", "hourglass"),
    Status.AI_ANALYZED: Tag("With the doctor", "info", "stethoscope"),
    Status.DOCTOR_VERIFIED: Tag("With the pharmacist", "info", "pill"),
    Status.PHARMACIST_COMPLETED: Tag("In final approval", "info", "check"),
    Status.REPORT_READY: Tag("Report ready", "ok", "file"),
}
_CLOSED = Tag("Closed", "bad", "ban")
_RUNS: dict[RunState, Tag] = {
    RunState.QUEUED: Tag("Analysis running", "wait", "hourglass"),
    RunState.RUNNING: Tag("Analysis running", "wait", "hourglass"),
    RunState.FAILED: Tag("Analysis failed", "bad", "alert"),
}
_UNCERTAIN = Tag("Ready to read – uncertain", "warn", "warning")
_WITHOUT_CLASSIFIER = Tag("To be read without classifier", "warn", "warning")


def status_for_staff(scan: Scan) -> Tag:
    """The scan's status, or what stands in its way: closed, on hold, analysis running or failed, uncertain."""
    if scan.closure is not None:
        return _CLOSED
    if scan.open_hold is not None:
        return Tag(f"On hold for the {scan.open_hold.to}", "warn", "pause")
    if scan.status is Status.PENDING_AI and scan.latest_run is not None:
        return _RUNS.get(scan.latest_run.state, _STAFF[scan.status])
    if scan.status is Status.AI_ANALYZED and scan.prediction is not None and scan.prediction.uncertain:
        return _UNCERTAIN if scan.prediction.available else _WITHOUT_CLASSIFIER
    return _STAFF[scan.status]


def status_for_patient(scan: Scan, *, released: bool) -> Tag:
    if scan.closure is not None:
        return Tag("Closed – please upload again", "bad", "ban")
    if scan.status is Status.REPORT_READY and not released:
        return Tag("Report is being made", "wait", "hourglass")
    return _PATIENT[scan.status]


def human_name(label: str) -> str:
    """The words for a class of the active model; the plain name for one that only an older model knew."""
    return _label_titles(current_app.config["CSSS"].model or None).get(label, label.replace("_", " "))


@lru_cache(maxsize=4)
def _label_titles(folder: str | None) -> dict[str, str]:
    try:
        return {label.name: label.title for label in read_info(folder).labels}
    except (ModelMissing, ModelCorrupt):
        return {}
