"""The doctor's list: what is asked for in the address, and its rows in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from flask import request, url_for

from csss.scans import policies, queries
from csss.scans.models import Scan
from csss.scans.presenters import KIND_NAMES, STATUS_NAMES, Tag, status_for_staff
from csss.scans.queries import Page
from csss.scans.states import HoldFor, Priority, RunState, Status
from csss.web.filters import ago, shorten, when
from csss.web.forms import clean
from csss.web.listing import list_url, page_number
from csss.web.scan_view import age_and_sex

TO_DO = "to_do"
EVERYTHING = "all"
ARGUMENTS = ("status", "q", "sort", "page")


@dataclass(frozen=True)
class Row:
    """One scan in the list. `why` says what makes it special, None for an ordinary one."""

    id: str
    url: str
    patient: str
    mrn: str
    age_and_sex: str
    kind: str
    indication: str
    waiting: str
    uploaded: str
    tag: Tag
    urgent: bool
    why: str | None
    analyse_url: str | None


@dataclass(frozen=True)
class Asked:
    """What the address asks for. An unknown status means what a doctor has to do."""

    status: str
    q: str
    sort: str

    @classmethod
    def now(cls) -> "Asked":
        status = request.args.get("status", TO_DO)
        known = {TO_DO, EVERYTHING, *Status}
        sort = request.args.get("sort", "priority")
        return cls(
            status=status if status in known else TO_DO,
            q=clean(request.args.get("q", "")).strip()[:200],
            sort=sort if sort in queries.SORTS else "priority",
        )

    def url(self, **other: str) -> str:
        """The list's address with these filters, some of them replaced; defaults are left out."""
        values = {"status": self.status, "q": self.q, "sort": self.sort, **other}
        defaults = {"status": TO_DO, "q": "", "sort": "priority"}
        wanted = {name: value for name, value in values.items() if value != defaults[name]}
        return list_url("doctor.worklist", wanted)


def scans_asked_for(asked: Asked) -> Page:
    """The page that is asked for; past the end, the last one."""
    number = page_number()
    page = _queue(asked, number)
    return page if page.scans or number <= page.pages else _queue(asked, page.pages)


def _queue(asked: Asked, number: int) -> Page:
    statuses: Sequence[Status]
    held_for = None
    if asked.status == TO_DO:
        statuses, held_for = (Status.PENDING_AI, Status.AI_ANALYZED), HoldFor.DOCTOR
    elif asked.status == EVERYTHING:
        statuses = tuple(Status)
    else:
        statuses = (Status(asked.status),)
    return queries.queue(statuses, held_for=held_for, search=asked.q, sort=asked.sort, page=number)


def tabs(asked: Asked) -> list[tuple[str, str, bool, int]]:
    """Every list with how many scans it holds: (words, address, whether it is this one, count)."""
    counts = queries.counts()
    to_do = counts[Status.PENDING_AI] + counts[Status.AI_ANALYZED] + queries.held_count(HoldFor.DOCTOR)
    lists: list[tuple[str, str, int]] = [("To do", TO_DO, to_do)]
    lists += [(STATUS_NAMES[status], status.value, counts[status]) for status in Status]
    lists.append(("All", EVERYTHING, sum(counts.values())))
    return [(words, asked.url(status=name), name == asked.status, count) for words, name, count in lists]


def rows(scans: Sequence[Scan]) -> list[Row]:
    return [_row(scan) for scan in scans]


def running(scans: Sequence[Scan]) -> bool:
    """Whether an analysis is on its way, so that the list is worth asking for again soon."""
    return any(_is_running(scan) for scan in scans)


def _is_running(scan: Scan) -> bool:
    run = scan.latest_run
    return run is not None and run.state in {RunState.QUEUED, RunState.RUNNING}


def _row(scan: Scan) -> Row:
    startable = policies.may(policies.check_can_analyse, scan)
    return Row(
        id=str(scan.id),
        url=url_for("doctor.scan", scan_id=scan.id),
        patient=scan.patient.user.name,
        mrn=scan.patient.mrn,
        age_and_sex=age_and_sex(scan),
        kind=KIND_NAMES[scan.kind],
        indication=shorten(scan.indication, 60),
        waiting=ago(scan.uploaded_at),
        uploaded=when(scan.uploaded_at),
        tag=status_for_staff(scan),
        urgent=scan.priority is Priority.URGENT,
        why=_why(scan),
        analyse_url=url_for("doctor.analyze", scan_id=scan.id) if startable else None,
    )


def _why(scan: Scan) -> str | None:
    """In a few words what the tag cannot say: why uncertain, why failed, what is to be corrected."""
    if scan.open_hold is not None:
        return shorten(scan.open_hold.note)
    if scan.status is Status.PENDING_AI and scan.latest_run is not None:
        return shorten(scan.latest_run.failure) or None
    if scan.status is Status.AI_ANALYZED and scan.prediction is not None:
        return shorten(scan.prediction.reason) or None
    return None


def back_to(query: str) -> str:
    """The list as it was, from the query string that a row's form carries; anything else in it is dropped."""
    return list_url("doctor.worklist", {name: value for name, value in parse_qsl(query) if name in ARGUMENTS})
