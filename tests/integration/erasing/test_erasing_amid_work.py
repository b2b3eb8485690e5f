"""Jobs of the patient and what others send at the same moment end quietly."""

import threading
import uuid

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from csss.auth import accounts
from csss.database import db, transaction
from csss.erasing import services
from csss.errors import NotFound, StateConflict
from csss.jobs import runner
from csss.notices.models import MailMessage, MailState
from csss.outbox import OutboxJob
from csss.people.models import User
from csss.people.roles import Role
from csss.scans import analysis, review_drafts
from csss.scans.models import AnalysisRun, Scan
from csss.scans.services import ReviewText
from csss.scans.uploads import services as uploads
from csss.storage.files import storage
from tests.integration.erasing.life import CANARY, HASH, Life, dump, erase, holders
from tests.integration.test_workflow_races import Act, after, at_once, slow_commit


@pytest.mark.both_databases
def test_work_in_flight_ends_quietly(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    """One worker does a job of the patient, another takes one afterwards: neither fails, nothing is mailed or kept."""
    owed = owed_about(life)
    assert {job for _, job in owed} == {"analyse_scan", "render_report", "send_mail"}
    run = db.session.get_one(Scan, life.in_flight).latest_run
    assert run is not None
    run_id = run.id
    with transaction():
        assert analysis.begin_run(run_id) is not None  # the worker has just begun
    mailed, stored = len(life.clinic.mail), set(storage().stored())
    erase(life)
    caplog.clear()
    from csss.jobs import notice_jobs, report_jobs, scan_jobs

    scan_jobs.analyse_scan(run_id)
    report_jobs.render_report(life.scans[0], uuid.uuid4())
    assert not report_jobs._keep(life.scans[0], 1, "reports/aa/x.pdf", b"%PDF")
    for message in db.session.scalars(
        select(MailMessage.id).where(MailMessage.user_id == life.patient)
    ).all():
        notice_jobs.send_mail(message)
    for row_id, _ in owed:
        runner.perform(row_id)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    assert len(life.clinic.mail) <= mailed and set(storage().stored()) < stored
    states = db.session.scalars(select(MailMessage.state).where(MailMessage.user_id == life.patient)).all()
    assert set(states) <= {MailState.SENT, MailState.DROPPED, MailState.FAILED}
    assert owed_about(life) == []


def owed_about(life: Life) -> list[tuple[uuid.UUID, str]]:
    """Open jobs about the patient: scans, runs of the classifier, messages."""
    about = set(map(str, life.scans))
    for table, column, values in (
        (AnalysisRun, AnalysisRun.scan_id, life.scans),
        (MailMessage, MailMessage.user_id, [life.patient]),
    ):
        about |= {str(each) for each in db.session.scalars(select(table.id).where(column.in_(values)))}
    jobs = db.session.scalars(select(OutboxJob).where(OutboxJob.done_at.is_(None)))
    return [(job.id, job.job) for job in jobs if about & set(job.args)]


@pytest.mark.both_databases
def test_what_others_send_at_the_same_moment_comes_too_late(life: Life) -> None:
    """With real threads: the erasure is done and commits a while later, and meanwhile four others begin."""
    started = threading.Event()
    staff = db.session.scalars(select(User.id).where(User.role == Role.DOCTOR)).first()
    assert staff is not None

    def erasing(_: User) -> None:
        services.erase_as_deployer(life.mrn, reason="Asked for by letter", password_hash=HASH)

    def profile(user: User) -> None:
        accounts.update_profile(user, {"name": f"Late {CANARY}", "phone": f"late {CANARY}"})

    def upload(user: User) -> None:
        uploads.begin(length=9, digest="", limit=10_000, by=user)

    def draft(user: User) -> None:
        review_drafts.save(
            life.scans[1], ReviewText(f"late {CANARY}", "", "", None, read_myself=False), by=user
        )

    told = at_once(
        life.clinic.app,
        (life.admin, slow_commit(erasing, started)),
        *(
            (who, after(started, _refused_kindly(act)))
            for who, act in ((life.patient, profile), (life.patient, upload))
        ),
        (staff, after(started, _refused_kindly(draft))),
        (life.admin, after(started, lambda _: services.lock(life.patient))),
    )
    assert told[0] == "done"
    assert "done" not in told[1:] and "erased already" in told[4], told
    assert holders(dump(), CANARY) == set()


def _refused_kindly(act: Act) -> Act:
    """Turn a refusal by the database, and a missing scan, into the refusal that `at_once` knows."""

    def kindly(user: User) -> None:
        try:
            act(user)
            db.session.flush()
        except (IntegrityError, NotFound) as error:
            raise StateConflict(str(error)) from error

    return kindly
