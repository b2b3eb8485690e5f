"""What has to happen happens once, whatever breaks on the way: the worker, or the job itself."""

import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from csss.clock import now
from csss.database import Base, db, transaction
from csss.jobs import leases, notice_jobs, report_jobs, runner, scan_jobs
from csss.jobs.sweeper import SWEEP_SECONDS
from csss.notices.models import MailMessage
from csss.outbox import Queue
from csss.reports.models import ReportVersion
from csss.scans import analysis, services
from csss.scans.models import Prediction, Scan
from csss.scans.states import RunState, Status
from csss.storage.files import storage
from tests.factories import Clinic
from tests.integration.jobs import change, count, needs_model, rows, start_analysis
from tests.stack import eventually

# Twice without harm


@needs_model
@pytest.mark.both_databases
def test_a_scan_is_analysed_once_however_often_the_job_runs(clinic: Clinic) -> None:
    scan, run = start_analysis(clinic)
    (row,) = rows("analyse_scan")
    for _ in range(2):
        runner.perform(row.id)
        scan_jobs.analyse_scan(run.id)
    assert (scan.status, run.state) == (Status.AI_ANALYZED, RunState.DONE)
    assert count(Prediction) == 1
    prediction = scan.prediction
    assert prediction is not None and prediction.available
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-3)
    assert prediction.heatmap_key is not None
    kept = [
        path for path in (clinic.app.config["CSSS"].storage_folder / "heatmaps").rglob("*") if path.is_file()
    ]
    assert len(kept) == 1  # the second run left nothing behind


def test_a_report_is_made_and_owed_once_however_often_the_job_runs(clinic: Clinic) -> None:
    clinic.scan(Status.REPORT_READY)
    (row,) = rows("render_report")
    for _ in range(2):
        runner.perform(row.id)
        report_jobs.render_report(*(uuid.UUID(each) for each in row.args))
    assert count(ReportVersion) == 1
    assert len(rows("send_mail")) == count(MailMessage)
    kept = [
        path for path in (clinic.app.config["CSSS"].storage_folder / "reports").rglob("*") if path.is_file()
    ]
    assert len(kept) == 1


def test_a_mail_is_sent_once_however_often_the_job_runs(clinic: Clinic) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    for _ in range(2):
        runner.perform(row.id)
        notice_jobs.send_mail(uuid.UUID(row.args[0]))
    assert len(clinic.mail) == 1


def test_every_job_has_been_run_twice_above() -> None:
    assert set(runner.HANDLERS) == {"analyse_scan", "render_report", "send_mail"}


def test_a_job_of_a_scan_that_was_closed_meanwhile_ends_quietly(clinic: Clinic) -> None:
    scan, run = start_analysis(clinic)
    with transaction():
        services.close(scan.id, reason="Wrong patient", by=run.requested_by)
    clinic.run_jobs("analyse_scan")
    assert (scan.status, count(Prediction)) == (Status.PENDING_AI, 0)
    assert (run.state, run.failure) == (
        RunState.FAILED,
        "The scan had moved on before the analysis was done.",
    )


def test_a_row_that_does_not_exist_is_no_trouble(clinic: Clinic) -> None:
    runner.perform(uuid.uuid4())


# Leases


@pytest.mark.both_databases
def test_a_worker_that_died_is_replaced_after_its_lease_and_not_before(clinic: Clinic) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    change(row, attempts=1, leased_until=now() + timedelta(minutes=2))  # taken by one that is silent now
    runner.perform(row.id)
    assert (rows()[0].done_at, clinic.mail) == (None, [])
    change(row, leased_until=now() - timedelta(seconds=1))
    runner.perform(row.id)
    assert rows()[0].done_at is not None
    assert len(clinic.mail) == 1


@pytest.mark.both_databases
def test_a_living_worker_keeps_its_row_however_long_the_job_takes(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one that only takes its time would be taken for dead, and a mail sent twice."""
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.01)
    clinic.person("doctor")
    (row,) = rows("send_mail")
    row_id, send = row.id, notice_jobs.send_mail
    seen: list[bool] = []

    def take_long(*args: Any) -> None:
        change(row, leased_until=now() - timedelta(seconds=1))  # its lease has run out
        seen.append(bool(eventually(lambda: (rows()[0].leased_until or now()) > now(), 10, 0.02)))
        runner.perform(row_id)  # another worker finds the row in its hands
        send(*args)

    monkeypatch.setattr(notice_jobs, "send_mail", take_long)
    runner.perform(row_id)
    assert (seen, rows()[0].attempts, len(clinic.mail)) == ([True], 1, 1)
    assert rows()[0].done_at is not None


def test_a_job_that_hangs_keeps_nobody_out_for_ever(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.0)
    monkeypatch.setitem(leases.TIMEOUT, Queue.MAIL, -3)
    clinic.person("doctor")
    (row,) = rows("send_mail")
    change(row, attempts=1, leased_until=now() - timedelta(seconds=1))
    with leases.Renewing(row.id, 1, Queue.MAIL):
        time.sleep(0.05)
        assert (rows()[0].leased_until or now()) < now()


def test_a_dead_worker_is_replaced_within_half_a_minute_whatever_it_did() -> None:
    looks = timedelta(seconds=2 * SWEEP_SECONDS)  # one after its lease, one more when the clock was set back
    assert leases.LEASE + looks < timedelta(seconds=30)
    assert timedelta(seconds=3 * leases.RENEW_SECONDS) < leases.LEASE


def test_when_only_the_child_dies_its_row_is_free_at_once(clinic: Clinic) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    change(row, attempts=1, leased_until=now() + timedelta(seconds=15))
    leases.end_after_death(row.id)
    assert rows()[0].leased_until is None
    runner.perform(row.id)
    assert len(clinic.mail) == 1


def test_a_worker_that_comes_back_late_cannot_undo_what_another_has_done(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    send = notice_jobs.send_mail

    def stall(*args: Any) -> None:
        monkeypatch.setattr(notice_jobs, "send_mail", send)
        change(row, leased_until=now() - timedelta(seconds=1))
        runner.perform(row.id)  # the other worker
        raise TimeoutError("too late")

    monkeypatch.setattr(notice_jobs, "send_mail", stall)
    runner.perform(row.id)
    after = rows()[0]
    assert after.done_at is not None
    assert (after.failed_at, after.last_error, len(clinic.mail)) == (None, "", 1)


def test_a_late_failure_does_not_take_the_row_from_the_worker_that_has_it(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.person("doctor")
    (row,) = rows("send_mail")
    lease = now() + timedelta(minutes=1)

    def stall(*_: Any) -> None:
        change(row, attempts=2, leased_until=lease)  # taken over meanwhile
        raise TimeoutError("too late")

    monkeypatch.setattr(notice_jobs, "send_mail", stall)
    runner.perform(row.id)
    assert rows()[0].leased_until == lease


# Failing


def test_a_job_that_fails_is_tried_again_after_a_growing_pause(clinic: Clinic) -> None:
    start_analysis(clinic)
    _lose_pictures(clinic)
    (row,) = rows("analyse_scan")
    pauses = []
    for _ in range(2):
        runner.perform(row.id)
        after = rows("analyse_scan")[0]
        assert (after.leased_until, after.failed_at) == (None, None)
        assert after.handed_at is not None
        pauses.append((after.due_at - after.handed_at).total_seconds())
    assert 0.7 < pauses[0] <= 1 and 1.4 < pauses[1] <= 2
    assert after.last_error.startswith("FileNotFoundError")


def test_a_job_that_always_fails_ends_with_a_sentence_for_the_doctor(clinic: Clinic) -> None:
    scan, run = start_analysis(clinic)
    _lose_pictures(clinic)
    clinic.run_jobs("analyse_scan")
    assert (run.state, scan.status) == (RunState.FAILED, Status.PENDING_AI)
    assert run.failure == "The analysis could not be done. The stored picture cannot be found."
    (row,) = rows("analyse_scan")
    assert row.failed_at is not None and row.attempts == 3
    with transaction():  # and may be tried again
        analysis.start(scan.id, by=run.requested_by)
    assert [each.state for each in db.session.get_one(Scan, scan.id).runs] == [
        RunState.FAILED,
        RunState.QUEUED,
    ]


@pytest.mark.parametrize("settings", [{"model": "/there/is/no/model"}], indirect=True)
def test_without_a_model_the_doctor_reads_so_and_sees_no_path(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan_jobs.loaded.cache_clear()
    _, run = start_analysis(clinic)
    clinic.run_jobs("analyse_scan")
    assert run.failure == "The analysis could not be done. The classifier is not installed."
    scan_jobs.loaded.cache_clear()


def test_an_unexpected_error_is_told_without_its_insides(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run = start_analysis(clinic)

    def fail(*_: object) -> None:
        raise RuntimeError("secret insides at /srv/csss/storage")

    monkeypatch.setattr(scan_jobs, "analyse_scan", fail)
    clinic.run_jobs("analyse_scan")
    assert (
        run.failure
        == "The analysis could not be done. Something went wrong on our side; it has been recorded."
    )


def test_a_job_that_kills_every_worker_is_given_up(clinic: Clinic) -> None:
    _, run = start_analysis(clinic)
    (row,) = rows("analyse_scan")
    change(row, attempts=3, leased_until=now() - timedelta(seconds=1))
    runner.perform(row.id)
    assert rows("analyse_scan")[0].failed_at is not None
    assert run.state is RunState.FAILED
    assert run.failure == "The analysis could not be done. It was interrupted each time."


def _lose_pictures(clinic: Clinic) -> None:
    for scan in db.session.scalars(select(Scan)):
        storage().delete(scan.file_key)
    db.session.rollback()


@needs_model
def test_the_rehearsal_of_an_analysis_leaves_nothing(clinic: Clinic) -> None:
    def rows_of_each_table() -> list[int | None]:
        db.session.rollback()
        tables = Base.metadata.sorted_tables
        return [db.session.scalar(select(func.count()).select_from(table)) for table in tables]

    before = rows_of_each_table()
    scan_jobs.warm_up()
    runner.rehearse(Queue.INFERENCE)
    assert rows_of_each_table() == before and len(before) > 20


@needs_model
def test_a_child_puts_hardly_a_statement_of_an_analysis_together_anew(clinic: Clinic) -> None:
    _, run = start_analysis(clinic)
    run_id = run.id
    db.session.remove()
    db.engine.clear_compiled_cache()
    scan_jobs.warm_up()
    known = set(db.engine._compiled_cache)
    scan_jobs.analyse_scan(run_id)
    assert len(set(db.engine._compiled_cache) - known) <= 2  # the seal, which is made at the commit
