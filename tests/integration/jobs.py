"""What the tests of jobs share."""

from typing import Any

import pytest
from sqlalchemy import func, select, update

from csss.database import db, transaction
from csss.outbox import OutboxJob
from csss.paths import MODELS
from csss.scans import analysis
from csss.scans.models import AnalysisRun, Scan
from tests.conftest import IN_CI
from tests.factories import Clinic

needs_model = pytest.mark.skipif(
    not (MODELS / "ACTIVE").exists() and not IN_CI, reason="there is no trained model in models/ yet"
)


def rows(*jobs: str) -> list[OutboxJob]:
    db.session.rollback()
    query = select(OutboxJob).order_by(OutboxJob.created_at)
    return list(db.session.scalars(query.where(OutboxJob.job.in_(jobs)) if jobs else query))


def change(row: OutboxJob, **values: object) -> None:
    with transaction():
        db.session.execute(update(OutboxJob).where(OutboxJob.id == row.id).values(**values))


def count(model: type) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def start_analysis(clinic: Clinic, **more: Any) -> tuple[Scan, AnalysisRun]:
    doctor = clinic.person("doctor")
    scan_id = clinic.scan(**more).id
    with transaction():
        run = analysis.start(scan_id, by=doctor)
    return db.session.get_one(Scan, scan_id), run
