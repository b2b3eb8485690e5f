"""A report is laid out within limits of time and memory; what exceeds them is a job given up, with a plain reason."""

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from benchmarks.report import example_context, plain_environment
from csss import outbox
from csss.confinement.parent import Exhausted, Room
from csss.database import db, transaction
from csss.outbox import OutboxJob
from csss.reports import printing, queries
from csss.reports.document import ReportRenderError
from csss.reports.render import render_pdf
from csss.scans.models import Scan
from csss.scans.states import Status
from tests.factories import Clinic
from tests.unit.test_confined import children
from tests.visitor import Visitor, words

ENV = plain_environment()
TOO_LONG = "The report takes too much memory or time to be made: its texts are too long."
LITTLE = {"largest_answer": 1000}


@pytest.fixture
def press(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the child less than it has in life."""

    def set_limits(**limits: Any) -> None:
        program = printing.PRESS._replace(**limits)
        monkeypatch.setattr(printing, "PRESS", program)
        monkeypatch.setattr(printing, "_room", Room(program, at_once=1, patience=10))

    return set_limits


def test_both_ways_make_the_same_report_as_here_and_now() -> None:
    context, before = example_context(), children()
    plain = render_pdf(context, ENV)
    assert printing.print_in_job(context, ENV) == plain
    assert printing.print_report(context, ENV) == plain
    assert len(children() - before) <= 1, "only the one that waits for the next preview"


def test_a_report_that_takes_too_much_memory_is_stopped(press: Any) -> None:
    """In a fresh interpreter, which holds nothing that it could use up first."""
    press(memory=10_000_000)
    with pytest.raises(Exhausted):
        printing.print_report(example_context(), ENV)
    printing._room.close()


def test_a_text_that_explodes_is_stopped_in_time_and_leaves_no_child(press: Any) -> None:
    press(cpu_seconds=1)
    before, context = children(), example_context()
    long = "The left lung is clear. " * 25_000
    with pytest.raises(Exhausted):
        printing.print_in_job(replace(context, review=replace(context.review, findings=long)), ENV)
    assert children() == before


def test_more_text_than_any_report_has_is_not_even_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "MOST_HTML", 1000)
    with pytest.raises(Exhausted, match="characters"):
        printing.print_in_job(example_context(), ENV)


def test_a_picture_that_cannot_be_read_is_told_as_it_is() -> None:
    context = example_context()
    broken = replace(context, scan=replace(context.scan, image=b"no picture"))
    with pytest.raises(ReportRenderError, match="A picture of the report cannot be read"):
        printing.print_in_job(broken, ENV)


def job() -> OutboxJob:
    db.session.rollback()
    return db.session.scalars(select(OutboxJob).where(OutboxJob.job == "render_report")).one()


def test_the_job_is_given_up_at_once_with_a_reason_and_can_be_begun_again(
    clinic: Clinic, admin: Visitor, app: Flask, press: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan_id = clinic.scan(Status.REPORT_READY).id
    press(**LITTLE)
    clinic.run_jobs("render_report")
    row = job()
    assert row.failed_at is not None and row.attempts == 1 and row.last_error == TOO_LONG
    assert queries.versions(db.session.get_one(Scan, scan_id)) == []
    assert list(app.config["CSSS"].storage_folder.glob("reports/**/*.pdf")) == []
    assert TOO_LONG in words(admin.get("/admin/jobs"))
    monkeypatch.undo()
    with transaction():
        outbox.try_again(row.id, by=admin.user)
    clinic.run_jobs("render_report")
    assert [version.version for version in queries.versions(db.session.get_one(Scan, scan_id))] == [1]


def test_a_child_that_was_killed_is_no_reason_to_give_up(clinic: Clinic, press: Any) -> None:
    from csss.jobs import runner

    clinic.scan(Status.REPORT_READY)
    press(module="tests.odd_work")  # ends without a report
    runner.perform(job().id)
    row = job()
    assert row.failed_at is None and row.done_at is None and row.attempts == 1
    assert row.last_error.startswith("Died: ")


def test_a_preview_that_takes_too_much_is_a_sentence(clinic: Clinic, admin: Visitor, press: Any) -> None:
    scan_id = clinic.scan(Status.PHARMACIST_COMPLETED).id
    press(**LITTLE)
    answer = admin.get(f"/admin/scans/{scan_id}/preview.pdf")
    assert answer.status_code == 422 and TOO_LONG in words(answer)
    printing._room.close()
