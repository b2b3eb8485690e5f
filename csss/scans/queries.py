"""Look up scans, limited to what the user may see. Each list uses the indexes and one query."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, bindparam, case, func, or_, select
from sqlalchemy.orm import joinedload, lazyload

from csss.database import db
from csss.errors import NotFound
from csss.i18n import _
from csss.paging import ListPage, place
from csss.people import search as searching
from csss.people.models import Patient, User
from csss.people.roles import Role
from csss.scans import critical_results, disclosure
from csss.scans.list_rows import ListedScan, rows_of
from csss.scans.models import AnalysisRun, Review, Scan, ScanClosure, ScanHold
from csss.scans.states import HoldFor, Status

PAGE_SIZE = 25


def scan_visible_to(user: User, scan_id: uuid.UUID) -> Scan:
    """Staff see any scan, patients see their own, each with as much of the classifier's answer as they may know
    (`disclosure`). Raises NotFound for the rest, so that guessing an id reveals nothing."""
    one_of_own = user.role is Role.PATIENT
    values = {"scan": scan_id, "person": user.id} if one_of_own else {"scan": scan_id}
    scan = db.session.scalars(_one(one_of_own), values).one_or_none()
    if scan is None:
        raise NotFound(_("There is no such scan."))
    return disclosure.seen_by(scan, user)


@cache
def _one(of_a_person: bool) -> Select[Scan]:
    """A scan together with its one-to-one relations, which every page about it shows, in one query."""
    query = select(Scan).where(Scan.id == bindparam("scan"))
    if of_a_person:
        query = query.join(Scan.patient).where(Patient.user_id == bindparam("person"))
    return query.options(joinedload(Scan.prediction), joinedload(Scan.closure))


def those_that_exist(ids: Sequence[str]) -> set[str]:
    """Which of these ids belong to existing scans: a patient's scans are gone once the patient has been erased."""
    found = db.session.scalars(select(Scan.id).where(Scan.id.in_({uuid.UUID(each) for each in ids})))
    return {str(each) for each in found}


def is_open() -> ColumnElement[bool]:
    # NOT IN, not NOT EXISTS: reads the few closed scans once, instead of one lookup for each of ten thousand scans.
    return Scan.id.not_in(select(ScanClosure.scan_id))


def held_for(to: HoldFor) -> Select[uuid.UUID]:
    """The scans for which this role still owes a correction; an answered hold waits for the administrator instead."""
    return select(ScanHold.scan_id).where(
        ScanHold.lifted_at.is_(None), ScanHold.answered_at.is_(None), ScanHold.to == to
    )


def taken_back() -> Select[uuid.UUID]:
    """The scans whose doctor has taken the signature back and not signed again: nobody else's work."""
    return select(ScanHold.scan_id).where(ScanHold.lifted_at.is_(None), ScanHold.taken_back.is_not(None))


SORTS: dict[str, tuple[Any, ...]] = {
    # Urgent first, then the longest waiting.
    "priority": (Scan.priority.desc(), Scan.uploaded_at),
    "waiting": (Scan.uploaded_at,),
    "newest": (Scan.uploaded_at.desc(),),
}


def queue(
    statuses: Sequence[Status],
    *,
    held: HoldFor | None = None,
    search: str = "",
    sort: str = "priority",
    page: int = 1,
) -> ListPage[ListedScan]:
    """The scans that somebody has to act on: open, in one of `statuses`, or held for a correction by `held`; never
    those whose signature was taken back. Critical results come first, in every order.

    `search` matches part of the patient's name or the start of the MRN. An unknown `sort` means priority. A page
    past the end gives the last page.
    """
    words = searching.values(search)
    ids, number = _queue(tuple(statuses), held, bool(words), sort if sort in SORTS else "priority")
    total = db.session.scalar(number, words) or 0
    page, skip = place(page, total, PAGE_SIZE)
    first = on_top()
    if first is not None:
        ids = ids.order_by(None).order_by(first, *(SORTS.get(sort) or SORTS["priority"]), Scan.id)
    found = db.session.scalars(ids, {"most": PAGE_SIZE, "skip": skip, **words}).all()
    return ListPage(rows_of(found), page, total, PAGE_SIZE)


def on_top() -> ColumnElement[int] | None:
    """The order that puts scans with a critical result first, those before all of which nobody has taken note. None,
    and no cost, while there are none."""
    waiting, settled = critical_results.on_top()
    if not waiting and not settled:
        return None
    return case((Scan.id.in_(waiting), 0), (Scan.id.in_(settled), 1), else_=2)


# Cached: building the statement takes longer than the database needs to answer it.
@lru_cache(maxsize=64)
def _queue(
    statuses: tuple[Status, ...], held: HoldFor | None, searched: bool, sort: str
) -> tuple[Select[uuid.UUID], Select[int]]:
    """Select the ids of a page (from the index alone), and count them."""
    wanted: ColumnElement[bool] = Scan.status.in_(statuses)
    if held is not None:
        # IN, not EXISTS: beside an OR only this lets SQLite use its indexes.
        wanted = or_(wanted, Scan.id.in_(held_for(held)))
    query = select(Scan.id).where(wanted, is_open(), Scan.id.not_in(taken_back()))
    if searched:
        # A join, not a list of all matching patients: few scans wait here.
        query = query.join(Scan.patient).where(searching.name_or_mrn())
    number = query.with_only_columns(func.count(Scan.id), maintain_column_froms=True)
    most, skip = bindparam("most", type_=Integer), bindparam("skip", type_=Integer)
    return query.order_by(*SORTS[sort], Scan.id).limit(most).offset(skip), number


def diagnoses(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """The current diagnosis of each of these scans, in one query; blank when the doctor wrote none."""
    return dict(db.session.execute(_diagnoses(), {"ids": list(ids)}).all())


@cache
def _diagnoses() -> Select[uuid.UUID, str]:
    ids: Any = bindparam("ids", expanding=True)
    newest = (
        select(Review.scan_id, func.max(Review.version).label("version"))
        .where(Review.scan_id.in_(ids))
        .group_by(Review.scan_id)
        .subquery()
    )
    counts = (newest.c.scan_id == Review.scan_id) & (newest.c.version == Review.version)
    return select(Review.scan_id, Review.diagnosis).join(newest, counts)


def scans_of(user: User, page: int = 1) -> ListPage[Scan]:
    """A patient's own scans, newest first. A page past the end gives the last page."""
    number, scans = _own()
    person = {"person": user.id}
    total = db.session.scalar(number, person) or 0
    page, skip = place(page, total, PAGE_SIZE)
    found = db.session.scalars(scans, {"most": PAGE_SIZE, "skip": skip, **person}).all()
    return ListPage(found, page, total, PAGE_SIZE)


@cache
def _own() -> tuple[Select[int], Select[Scan]]:
    """Count a person's scans, and select those of a page with what their rows show."""
    query = (
        select(Scan)
        .join(Patient, Patient.id == Scan.patient_id)
        .where(Patient.user_id == bindparam("person"))
    )
    number = query.with_only_columns(func.count(Scan.id), maintain_column_froms=True)
    most, skip = bindparam("most", type_=Integer), bindparam("skip", type_=Integer)
    query = query.options(lazyload(Scan.patient), joinedload(Scan.closure))
    return number, query.order_by(Scan.uploaded_at.desc(), Scan.id).limit(most).offset(skip)


def scans_of_record(patient_id: uuid.UUID) -> ListPage[ListedScan]:
    """The newest scans of a patient record, with an account or without."""
    query = select(Scan.id).where(Scan.patient_id == patient_id)
    total = db.session.scalar(select(func.count()).where(Scan.patient_id == patient_id)) or 0
    ids = db.session.scalars(query.order_by(Scan.uploaded_at.desc(), Scan.id).limit(PAGE_SIZE)).all()
    return ListPage(rows_of(ids) if ids else [], 1, total, PAGE_SIZE)


def scan_ids_of(user: User) -> Sequence[uuid.UUID]:
    """The ids of a patient's newest thousand scans."""
    query = select(Scan.id).join(Patient, Patient.id == Scan.patient_id).where(Patient.user_id == user.id)
    return db.session.scalars(query.order_by(Scan.uploaded_at.desc()).limit(1000)).all()


def others_of_patient(scan: Scan, most: int) -> Sequence[ListedScan]:
    """The patient's other scans, with what one line about each shows.

    In the order of comparing: earlier ones of the same kind, later ones, then other kinds; each newest first.
    """
    query = select(Scan.id).where(Scan.patient_id == scan.patient_id, Scan.id != scan.id)
    order = (Scan.kind != scan.kind, Scan.uploaded_at > scan.uploaded_at, Scan.uploaded_at.desc(), Scan.id)
    ids = db.session.scalars(query.order_by(*order).limit(most)).all()
    return rows_of(ids) if ids else []


def earlier_of_kind(scan: Scan) -> Sequence[datetime]:
    """When the patient's earlier scans of the same kind were sent, newest first, without closed ones."""
    query = select(Scan.uploaded_at).where(
        Scan.patient_id == scan.patient_id,
        Scan.kind == scan.kind,
        Scan.uploaded_at < scan.uploaded_at,
        is_open(),
    )
    return db.session.scalars(query.order_by(Scan.uploaded_at.desc())).all()


def other_of_patient(scan: Scan, other_id: uuid.UUID, user: User) -> Scan:
    """Another scan of the same patient, as this person may know it. Raises NotFound for any other scan, and for this one."""
    query = select(Scan).where(Scan.id == other_id, Scan.patient_id == scan.patient_id, Scan.id != scan.id)
    other = db.session.scalars(query).one_or_none()
    if other is None:
        raise NotFound(_("There is no such scan."))
    return disclosure.seen_by(other, user)


def counts() -> dict[Status, int]:
    """How many open scans are in each status."""
    by_status = select(Scan.status, func.count()).group_by(Scan.status)
    # Count all from the index and subtract the few closed ones: much faster than checking each scan for a closure.
    closed = dict(db.session.execute(by_status.join(ScanClosure, ScanClosure.scan_id == Scan.id)).all())
    found = dict(db.session.execute(by_status).all())
    return {status: found.get(status, 0) - closed.get(status, 0) for status in Status}


def scans_of_runs(run_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
    """Map each of these analyses to its scan."""
    rows = db.session.execute(select(AnalysisRun.id, AnalysisRun.scan_id).where(AnalysisRun.id.in_(run_ids)))
    return {run: scan for run, scan in rows}
