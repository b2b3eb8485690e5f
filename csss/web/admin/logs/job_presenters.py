"""Jobs that were given up, and the queues, in an administrator's words."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import url_for

from csss.i18n import _, _l, _n
from csss.outbox import Backlog, OutboxJob, Queue, may_try_again
from csss.scans import queries
from csss.scans.presenters import Words


@dataclass(frozen=True)
class JobRow:
    """One job that was given up. `elsewhere` links to the page of its subject."""

    id: uuid.UUID
    what: str
    since: datetime
    given_up: datetime
    tries: str
    error: str
    again: bool
    elsewhere: tuple[str, str] | None  # words and address
    hint: str  # who else starts it again


_JOBS: Words[str] = Words(
    {
        "analyse_scan": _l("Analyse a scan"),
        "render_report": _l("Make a report"),
        "send_mail": _l("Send a message"),
    }
)


_QUEUES: Words[Queue] = Words(
    {
        Queue.INFERENCE: _l("Analyses"),
        Queue.REPORTS: _l("Reports"),
        Queue.MAIL: _l("Mail"),
        Queue.CODES: _l("Codes"),
    }
)


def job_rows(jobs: Sequence[OutboxJob]) -> list[JobRow]:
    """The page of given-up jobs, with one query for all their subjects."""
    runs = [uuid.UUID(job.args[0]) for job in jobs if job.job == "analyse_scan" and job.args]
    scans = queries.scans_of_runs(runs)
    return [_job_row(job, scans) for job in jobs]


def _job_row(job: OutboxJob, scans: Mapping[uuid.UUID, uuid.UUID]) -> JobRow:
    scan_id = elsewhere = None
    if job.job == "send_mail":
        elsewhere = (_("See the mail that was not delivered"), url_for("admin.mail_log", state="failed"))
    elif job.job == "render_report" and job.args:
        scan_id = job.args[0]
    elif job.job == "analyse_scan" and job.args:
        scan_id = scans.get(uuid.UUID(job.args[0]))
    if scan_id is not None:
        elsewhere = (_("Open the scan"), url_for("admin.scan", scan_id=scan_id))
    return JobRow(
        id=job.id,
        what=_JOBS.get(job.job, job.job),
        since=job.created_at,
        given_up=job.failed_at or job.created_at,
        tries=_n("%(num)s try", "%(num)s tries", job.attempts),
        error=job.last_error,
        again=job.job == "send_mail" or may_try_again(job),
        elsewhere=elsewhere,
        hint=_("The doctor starts it again, on the page of the scan.") if job.job == "analyse_scan" else "",
    )


def queue_rows(backlog: Sequence[Backlog]) -> list[tuple[str, int, datetime | None]]:
    """For each queue its name, its open jobs, and the time since which the oldest waits."""
    return [(_QUEUES[each.queue], each.open, each.oldest) for each in backlog]
