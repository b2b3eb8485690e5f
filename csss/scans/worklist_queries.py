"""Load the doctor's worklist through its indexes, and find the next scan to read."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)

from csss.clock import now
from csss.database import db
from csss.paging import ListPage, place
from csss.people import search as searching
from csss.people.models import RecordName, User
from csss.scans import queries
from csss.scans.claims import ScanClaim
from csss.scans.list_rows import ListedScan, rows_of
from csss.scans.models import AnalysisRun, Prediction, Scan, ScanClosure, ScanHold
from csss.scans.queries import PAGE_SIZE, held_for, is_open
from csss.scans.states import HoldFor, Priority, RunState, Status
from csss.scans.together_models import ScanAssignment, SecondReading, SecondReadingRequest
from csss.scans.worklist_filters import EVERY_SCAN, ScanFilter, conditions

TO_DO = (Status.PENDING_AI, Status.AI_ANALYZED)
# Without capitals and accents, as the search has them. The previous release may have written a name without its words.
_NAME = func.coalesce(RecordName.words, "")
_STEP = case({status: number for number, status in enumerate(Status)}, value=Scan.status)
# Each order ends with the id (`_ids`), so that pages follow each other without a gap.
SORTS: dict[str, tuple[Any, ...]] = {
    **queries.SORTS,
    # Lowest confidence first; scans without a classifier answer last.
    "confidence": (Prediction.confidence.is_(None), Prediction.confidence, Scan.uploaded_at),
    "patient": (_NAME, Scan.uploaded_at),
    "-patient": (_NAME.desc(), Scan.uploaded_at),
    "kind": (Scan.kind, Scan.uploaded_at),
    "-kind": (Scan.kind.desc(), Scan.uploaded_at),
    "step": (_STEP, Scan.uploaded_at),
    "-step": (_STEP.desc(), Scan.uploaded_at),
}


@dataclass(frozen=True)
class Counts:
    """Number of open scans in each status, of those a doctor has to act on, and of those that wait for the
    analysis."""

    by_status: dict[Status, int]
    held: int
    to_analyse: int

    @property
    def to_do(self) -> int:
        return sum(self.by_status[status] for status in TO_DO) + self.held


def page(
    statuses: Sequence[Status],
    counted: Counts,
    *,
    held: bool = False,
    search: str = "",
    only: ScanFilter = EVERY_SCAN,
    sort: str = "priority",
    number: int = 1,
) -> ListPage[ListedScan]:
    """Open scans in one of `statuses`, with `held`, also those that an administrator has sent back to the doctor.

    `counted` has the current counts. `search` matches part of the patient's name or the start of the MRN. A page
    past the end gives the last page. `sort` is one of SORTS.
    """
    asked = tuple(statuses)
    words, filters = searching.values(search), only.asked
    if words or filters:
        counting = _number(asked, held, bool(words), filters)
        total = db.session.scalar(counting, {**words, **only.values}) or 0
    else:
        total = sum(counted.by_status[status] for status in asked) + (counted.held if held else 0)
    number, skip = place(number, total, PAGE_SIZE)
    if sort == "priority" and len(asked) in {1, len(Status)} and not (held or words or filters):
        return ListPage(rows_of(_by_priority(asked, skip)), number, total, PAGE_SIZE)
    given = {"most": PAGE_SIZE, "skip": skip, **words, **only.values}
    found = db.session.scalars(_ids(asked, held, bool(words), sort, filters), given).all()
    return ListPage(rows_of(found), number, total, PAGE_SIZE)


def urgent_left_out(only: ScanFilter) -> int:
    """How many urgent scans that wait for a doctor these conditions leave out."""
    urgent = ScanFilter(priority=Priority.URGENT)
    waiting = _how_many(urgent)
    if waiting and only.priority in {None, Priority.URGENT}:
        waiting -= _how_many(replace(only, priority=Priority.URGENT))
    return waiting


def _how_many(only: ScanFilter) -> int:
    return db.session.scalar(_number(TO_DO, False, False, only.asked), only.values) or 0


# Statements are cached: building them takes longer than the database needs to answer them.


@lru_cache(maxsize=256)
def _ids(
    statuses: tuple[Status, ...],
    held: bool,
    searched: bool,
    sort: str,
    filters: tuple[str, ...] = (),
) -> Select[uuid.UUID]:
    wanted: ColumnElement[bool] = Scan.status.in_(statuses) if len(statuses) < len(Status) else true()
    if held:
        wanted = or_(wanted, Scan.id.in_(held_for(HoldFor.DOCTOR)))
    query = select(Scan.id).where(wanted, is_open(), *conditions(filters))
    if searched:
        query = query.where(Scan.patient_id.in_(searching.patients()))
    if sort == "confidence":
        # An answer that was given in silence tells nothing by its place either.
        query = query.outerjoin(Prediction, and_(Prediction.scan_id == Scan.id, Prediction.silent.is_(False)))
    elif sort.endswith("patient"):
        query = query.outerjoin(RecordName, RecordName.patient_id == Scan.patient_id)
    query = query.order_by(*SORTS[sort], Scan.id)
    return query.limit(bindparam("most", type_=Integer)).offset(bindparam("skip", type_=Integer))


@lru_cache(maxsize=256)
def _number(
    statuses: tuple[Status, ...], held: bool, searched: bool, filters: tuple[str, ...]
) -> Select[int]:
    query = _ids(statuses, held, searched, "waiting", filters).limit(None).offset(None)
    return select(func.count()).select_from(query.order_by(None).subquery())


def _by_priority(statuses: tuple[Status, ...], skip: int) -> list[uuid.UUID]:
    """Ids of one status or of all: urgent ones first, then the rest, straight from the index, without sorting the
    archive."""
    chosen: list[uuid.UUID] = []
    for priority in sorted(Priority, reverse=True):
        only = ScanFilter(priority=priority)
        given = {"most": PAGE_SIZE - len(chosen), "skip": skip, **only.values}
        found = db.session.scalars(_ids(statuses, False, False, "waiting", only.asked), given).all()
        chosen += found
        if len(chosen) == PAGE_SIZE:
            break
        # Past the end of the urgent ones: reduce the offset by their number.
        if found or not skip:
            skip = 0
        else:
            skip -= db.session.scalar(_number(statuses, False, False, only.asked), only.values) or 0
    return chosen


def counts() -> Counts:
    """Count all scans by status from the index alone, and subtract the few closed ones."""
    found: dict[tuple[str, Status | None], int] = {}
    for what, status, number in db.session.execute(_count_query()):
        found[what, status] = number
    return Counts(
        {each: found.get(("all", each), 0) - found.get(("closed", each), 0) for each in Status},
        held=found[("held", None)],
        to_analyse=found[("to analyse", None)],
    )


@cache
def _count_query() -> Any:
    closed = select(ScanClosure.scan_id)
    nothing = cast(null(), Scan.status.type)
    held = held_for(HoldFor.DOCTOR).where(ScanHold.scan_id.not_in(closed)).subquery()
    waiting = _to_analyse().subquery()
    return union_all(
        select(literal("all"), Scan.status, func.count()).group_by(Scan.status),
        select(literal("closed"), Scan.status, func.count()).where(Scan.id.in_(closed)).group_by(Scan.status),
        select(literal("held"), nothing, func.count()).select_from(held),
        select(literal("to analyse"), nothing, func.count()).select_from(waiting),
    )


def _to_analyse() -> Select[uuid.UUID]:
    """Open scans that nobody has sent for analysis yet; a failed one needs a doctor's decision, not endless
    retries."""
    return select(Scan.id).where(
        Scan.status == Status.PENDING_AI, is_open(), ~exists().where(AnalysisRun.scan_id == Scan.id)
    )


def waiting_for_analysis(most: int) -> Sequence[uuid.UUID]:
    """Scans that "analyse all waiting" starts, urgent ones first."""
    return db.session.scalars(
        _to_analyse().order_by(Scan.priority.desc(), Scan.uploaded_at, Scan.id).limit(most)
    ).all()


def next_scan_for(
    doctor: User, *, but: uuid.UUID | None = None, put_off: Sequence[uuid.UUID] = ()
) -> uuid.UUID | None:
    """The scan that this doctor reads next: neither claimed by a colleague nor assigned to one, and ready to read, or urgent
    and waiting for somebody to start its analysis. Those assigned to this doctor come first, then urgent ones, then the
    longest waiting.

    `but` is excluded: the scan that is open now. Those in `put_off` come when nothing else is ready, the longest put
    off first. None when nothing is ready.
    """
    own = select(ScanAssignment.scan_id).where(
        ScanAssignment.ended_at.is_(None), ScanAssignment.to_id == doctor.id
    )
    query = _ready_for(doctor).order_by(case((Scan.id.in_(own), 0), else_=1), *_ORDER)
    if but is not None:
        query = query.where(Scan.id != but)
    found = db.session.scalar(query.where(Scan.id.not_in(put_off)).limit(1))
    if found is None and put_off:
        left = set(db.session.scalars(query.where(Scan.id.in_(put_off))))
        found = next((each for each in put_off if each in left), None)
    return found


def beside(scan: Scan, doctor: User, *, before: bool = False) -> uuid.UUID | None:
    """The scan that follows this one in the order of reading, or stands `before` it; None at the end."""
    here = (scan.priority, scan.uploaded_at, scan.id)
    ahead, later, last = (Scan.priority > here[0], Scan.uploaded_at < here[1], Scan.id < here[2])
    if not before:
        ahead, later, last = (Scan.priority < here[0], Scan.uploaded_at > here[1], Scan.id > here[2])
    same_age = (Scan.uploaded_at == here[1]) & last
    query = _ready_for(doctor).where(or_(ahead, (Scan.priority == here[0]) & or_(later, same_age)))
    order = [Scan.priority, Scan.uploaded_at.desc(), Scan.id.desc()] if before else _ORDER
    return db.session.scalar(query.order_by(*order).limit(1))


_ORDER: list[Any] = [Scan.priority.desc(), Scan.uploaded_at, Scan.id]


def _ready_for(doctor: User) -> Select[uuid.UUID]:
    others = select(ScanClaim.scan_id).where(ScanClaim.expires_at > now(), ScanClaim.doctor_id != doctor.id)
    at_work = exists().where(
        AnalysisRun.scan_id == Scan.id, AnalysisRun.state.in_((RunState.QUEUED, RunState.RUNNING))
    )
    # Nobody has pressed the button, or the analysis failed: no reason to pass over an urgent scan.
    stuck = (Scan.status == Status.PENDING_AI) & (Scan.priority == Priority.URGENT) & ~at_work
    ready = or_(Scan.status == Status.AI_ANALYZED, stuck)
    elsewhere = select(ScanAssignment.scan_id).where(
        ScanAssignment.ended_at.is_(None), ScanAssignment.to_id != doctor.id
    )
    return select(Scan.id).where(
        ready,
        is_open(),
        Scan.id.not_in(others),
        Scan.id.not_in(elsewhere),
        Scan.id.not_in(_waits_for_others(doctor)),
    )


def _waits_for_others(doctor: User) -> Select[uuid.UUID]:
    """Scans with a second reading that another doctor has to write, or that is written and another doctor has to sign."""
    mine = SecondReadingRequest.asked_by_id == doctor.id
    written = SecondReading.request_id.is_not(None)
    query = select(SecondReadingRequest.scan_id).outerjoin(
        SecondReading, SecondReading.request_id == SecondReadingRequest.id
    )
    return query.where(SecondReadingRequest.ended_at.is_(None), or_(mine & ~written, ~mine & written))
