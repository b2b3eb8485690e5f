"""The inference worker's job."""

import uuid
from contextlib import suppress
from functools import lru_cache

from flask import current_app

from csss.database import db, transaction
from csss.errors import NotFound
from csss.inference import Engine, ModelCorrupt, ModelMissing
from csss.inference.heatmap import heatmap_png
from csss.inference.preprocessing import UndecodableImage
from csss.scans import analysis, workflow
from csss.scans.models import AnalysisRun
from csss.scans.storage import storage


@lru_cache(maxsize=1)
def engine() -> Engine:
    """The classifier, loaded by the worker before it forks; one thread, since threads do not outlive a fork."""
    settings = current_app.config["CSSS"]
    return Engine.load(settings.model or None, threshold=settings.threshold, threads=1)


def warm_up() -> None:
    """What every child would do anew: load the model, and let SQLAlchemy compile the queries of a run."""
    with suppress(ModelMissing, ModelCorrupt):
        engine()  # else each job says what is wrong, where the doctor sees it
    nothing = uuid.uuid4()
    analyse_scan(nothing)
    with suppress(NotFound):
        workflow.lock(nothing)
    db.session.rollback()


def between_jobs() -> None:
    """Nothing: an analysis that failed waits for seconds only."""


def analyse_scan(run_id: uuid.UUID) -> None:
    """Run the classifier on a scan and keep its prediction, once, however often this is called."""
    with transaction():
        run = analysis.begin_run(run_id)
        if run is None:
            return
        scan = run.scan
        file_key, width, height = scan.file_key, scan.width, scan.height
    # Nothing stays open in the database while the model runs.
    try:
        reading = engine().predict(storage().read(file_key))
    except FileNotFoundError:
        if db.session.get(AnalysisRun, run_id) is None:
            return  # the patient has been erased meanwhile
        raise
    except UndecodableImage as error:
        with transaction():
            analysis.keep_failure(run_id, str(error))
        return
    heatmap_key = None
    if reading.heatmap is not None:
        heatmap_key = storage().put("heatmaps", "png", heatmap_png(reading.heatmap, width, height))
    with transaction():
        kept = analysis.keep_result(run_id, reading, heatmap_key)
    if not kept and heatmap_key is not None:
        storage().delete(heatmap_key)


# What the doctor reads for what the log tells in full; the first word of a kept error is its class.
_REASONS = {
    "ModelMissing": "The classifier is not installed.",
    "ModelCorrupt": "The classifier's files are damaged.",
    "FileNotFoundError": "The stored picture cannot be found.",
    "CannotOpen": "The stored picture cannot be opened.",
    "JobTimeoutException": "It took too long.",
    "MemoryError": "There was not enough memory.",
    "WorkerDied": "It broke off each time.",
}


def give_up_analysis(ids: tuple[uuid.UUID, ...], error: str) -> None:
    """Tell the doctor that the analysis failed, and why. Belongs inside transaction()."""
    reason = _REASONS.get(error.partition(":")[0], "Something went wrong on our side; it has been recorded.")
    analysis.keep_failure(ids[0], f"The analysis could not be done. {reason}")
