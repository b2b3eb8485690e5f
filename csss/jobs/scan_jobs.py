"""Run the inference worker's job: analyse a scan and store the prediction."""

import uuid
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import current_app

from csss.clock import now
from csss.database import db, rehearsal, transaction
from csss.inference import Engine, ModelCorrupt, ModelMissing, Result
from csss.inference.heatmap import heatmap_png
from csss.inference.preprocessing import UndecodableImage, blank
from csss.people.models import AccountState, Patient, Sex, User
from csss.people.roles import Role
from csss.picture_formats import PNG
from csss.recalibration.in_use import folder_in_use
from csss.scans import analysis, stored_sentences
from csss.scans.models import AnalysisRun, Scan
from csss.scans.states import RunState, ScanKind
from csss.storage.files import storage
from csss.watch.alarms import look_once_a_day


def engine() -> Engine:
    """The version of the classifier that is in use now."""
    return loaded(folder_in_use(), current_app.config["CSSS"].threshold)


@lru_cache(maxsize=1)
def loaded(folder: Path, threshold: float | None) -> Engine:
    """Loaded by the worker before it forks; one thread, since threads do not survive a fork. Putting another version
    into use changes the folder: the next job loads it itself, until the worker has done so between two jobs."""
    return Engine.load(folder, threshold=threshold, threads=1)


def warm_up() -> None:
    """Do once what every child would repeat: load the model, and run a complete analysis. A child then has the
    codecs loaded and each statement of an analysis compiled; that was more than half of its work."""
    with suppress(ModelMissing, ModelCorrupt):  # each job reports the error where the doctor sees it
        reading = engine().predict(blank())
        if reading.heatmap is not None:
            heatmap_png(reading.heatmap, 64, 64)
        with rehearsal() as session:
            _rehearse(session, reading)


def _rehearse(session: Any, reading: Result) -> None:
    """Analyse a fictitious scan."""
    owner, doctor = (_nobody(role) for role in (Role.PATIENT, Role.DOCTOR))
    patient = Patient(id=uuid.uuid4(), user_id=owner.id, mrn=uuid.uuid4().hex[:20])
    patient.date_of_birth, patient.sex = now().date(), Sex.UNKNOWN
    scan = Scan(id=uuid.uuid4(), patient_id=patient.id, kind=ScanKind.CHEST_XRAY, file_key="", media_type="")
    scan.sha256, scan.width, scan.height = "", 64, 64
    run = AnalysisRun(id=uuid.uuid4(), scan_id=scan.id, requested_by_id=doctor.id, state=RunState.QUEUED)
    for row in (owner, doctor, patient, scan, run):
        session.add(row)
        session.flush()
    run_id = run.id
    session.expunge_all()  # as in a child, which has loaded nothing yet
    _begin(run_id)
    session.flush()
    session.expire_all()  # as after a commit
    analysis.keep_result(run_id, reading, None)


def _nobody(role: Role) -> User:
    return User(
        id=uuid.uuid4(),
        email=f"{uuid.uuid4()}@rehearsal.invalid",
        name="",
        password_hash="!",
        role=role,
        state=AccountState.DEACTIVATED,
    )


def between_jobs() -> None:
    """Load another version of the classifier when it has been put in use, and watch once a day whether anything has
    changed."""
    with suppress(ModelMissing, ModelCorrupt):  # each job says what is wrong
        engine()
    look_once_a_day()


def analyse_scan(run_id: uuid.UUID) -> None:
    """Run the classifier on a scan and store its prediction; idempotent."""
    with transaction():
        begun = _begin(run_id)
    if begun is None:
        return
    file_key, width, height = begun
    # No transaction stays open while the model runs.
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
        heatmap_key = storage().put("heatmaps", PNG.suffix, heatmap_png(reading.heatmap, width, height))
    with transaction():
        kept = analysis.keep_result(run_id, reading, heatmap_key)
    if not kept and heatmap_key is not None:
        storage().delete(heatmap_key)


def _begin(run_id: uuid.UUID) -> tuple[str, int, int] | None:
    """The scan's file and size; None when nothing is left to do."""
    run = analysis.begin_run(run_id)
    return None if run is None else (run.scan.file_key, run.scan.width, run.scan.height)


def give_up_analysis(ids: tuple[uuid.UUID, ...], error: str) -> None:
    """Tell the doctor that the analysis failed, and why. Belongs inside transaction()."""
    analysis.keep_failure(ids[0], stored_sentences.failure(error))
