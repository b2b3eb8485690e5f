"""Record the classifier's runs, results and failures. All functions belong inside transaction()."""

import uuid
from typing import TYPE_CHECKING

from csss import outbox, report_fonts
from csss.audit.record import record
from csss.clock import now
from csss.database import db
from csss.errors import Invalid
from csss.i18n import _
from csss.inference.classes import judged_as
from csss.lengths import check_length
from csss.people.models import User
from csss.scans import disclosure, policies, stored_sentences, workflow
from csss.scans.findings import maps_to_keep
from csss.scans.models import AnalysisRun, Prediction, Scan
from csss.scans.states import RunState, Status

if TYPE_CHECKING:
    from csss.inference import Result

NOT_AVAILABLE = "Not available"
MAX_REASON = 2_000


def start(scan_id: uuid.UUID, *, by: User) -> AnalysisRun:
    """Queue the analysis that a doctor asks for, or whoever sends the scan in (`CSSS_ANALYSE`).

    Raises StateConflict when it was requested or completed before.
    """
    scan = workflow.lock(scan_id)
    policies.check_can_analyse(scan)
    run = AnalysisRun(id=uuid.uuid4(), scan_id=scan.id, requested_by_id=by.id, state=RunState.QUEUED)
    db.session.add(run)
    db.session.flush()
    outbox.settle("analyse_scan", [each.id for each in scan.runs])
    outbox.add(outbox.Queue.INFERENCE, "analyse_scan", run.id)
    record("scan.analysis_requested", scan, by=by, run=str(run.id))
    return run


def begin_run(run_id: uuid.UUID) -> AnalysisRun | None:
    """Mark the run as running and return it; None when nothing is left to do."""
    run = db.session.get(AnalysisRun, run_id, with_for_update=True)
    if run is None or run.state in {RunState.DONE, RunState.FAILED}:
        return None
    run.state, run.started_at = RunState.RUNNING, now()
    return run


def keep_result(run_id: uuid.UUID, reading: "Result", heatmap_key: str | None) -> bool:
    """Keep a prediction and move the scan on; idempotent. False when another worker was first, or the scan has
    moved on.

    A class that does not belong to the scan's current kind makes the prediction uncertain.
    """
    run = db.session.get(AnalysisRun, run_id)
    if run is None:
        return False
    scan = workflow.lock(run.scan_id)
    db.session.refresh(run, with_for_update=True)
    if run.state in {RunState.DONE, RunState.FAILED}:
        return False
    run.finished_at = now()
    if scan.status is not Status.PENDING_AI or scan.closure is not None:
        run.state, run.failure = RunState.FAILED, stored_sentences.MOVED_ON
        return False
    run.state = RunState.DONE
    reading = judged_as(reading, scan.kind)
    db.session.add(
        Prediction(
            scan_id=scan.id,
            run_id=run.id,
            available=True,
            label=reading.label,
            top_label=reading.top_label,
            confidence=reading.confidence,
            probabilities=reading.probabilities,
            threshold_used=reading.threshold_used,
            uncertain=reading.uncertain,
            reason=reading.reason or "",
            model_version=reading.model_version,
            model_input_size=reading.model_input_size,
            latency_ms=reading.latency_ms,
            heatmap_key=heatmap_key,
            silent=disclosure.is_silent(),
            view=reading.view,
            findings=reading.findings,
            no_finding=reading.no_finding,
            finding_thresholds=reading.finding_thresholds,
            finding_maps=maps_to_keep(reading),
            outlier_score=reading.outlier_score,
            mean_grey=reading.mean_grey,
            contrast=reading.contrast,
        )
    )
    workflow.move(scan, Status.AI_ANALYZED, by=run.requested_by)
    return True


def keep_failure(run_id: uuid.UUID, sentence: str) -> None:
    """Record that the run has failed for good: the scan keeps its status, and the doctor sees why and can try
    again."""
    run = db.session.get(AnalysisRun, run_id, with_for_update=True)
    if run is not None and run.state not in {RunState.DONE, RunState.FAILED}:
        run.state, run.finished_at, run.failure = RunState.FAILED, now(), sentence
        record("scan.analysis_failed", run.scan, run=str(run.id))


def read_without_classifier(scan_id: uuid.UUID, *, reason: str, by: User) -> Scan:
    """Move a scan on without the classifier: after two failures, or for a reason that the doctor gives.

    The scan then counts as uncertain. Raises StateConflict, Invalid.
    """
    scan = workflow.lock(scan_id)
    policies.check_can_read_without_classifier(scan)
    if not reason.strip():
        if policies.needs_reason_to_read_without(scan):
            raise Invalid(reason=_("Say why the scan is to be read without the classifier."))
        reason = stored_sentences.FAILED_TWICE
    check_length(MAX_REASON, reason=reason)
    if errors := report_fonts.problems(reason=reason):
        raise Invalid(**errors)
    outbox.settle("analyse_scan", [run.id for run in scan.runs])
    for run in scan.runs:
        if run.state in {RunState.QUEUED, RunState.RUNNING}:
            run.state, run.finished_at = RunState.FAILED, now()
            run.failure = stored_sentences.READ_WITHOUT
    db.session.add(
        Prediction(
            scan_id=scan.id,
            run_id=None,
            available=False,
            label=NOT_AVAILABLE,
            confidence=None,
            probabilities={},
            threshold_used=None,
            uncertain=True,
            reason=reason.strip(),
            silent=disclosure.is_silent(),
        )
    )
    workflow.move(scan, Status.AI_ANALYZED, by=by)
    record("scan.read_without_classifier", scan, by=by)
    return scan
