"""The doctor's worklist: its lists, its rows in words, and the live region around them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import cached_property
from typing import Any, cast
from urllib.parse import parse_qsl

from flask import url_for

from csss import clock
from csss.i18n import _, _n, language
from csss.paging import ListPage
from csss.people.models import User
from csss.scans import assignments, own_reading, policies
from csss.scans import worklist_queries as queries
from csss.scans.list_rows import rows_of
from csss.scans.models import Scan
from csss.scans.own_reading import Why
from csss.scans.presenters import KIND_NAMES, STATUS_NAMES, Tag, human_name, status_for_staff
from csss.scans.states import Priority, Status
from csss.scans.stored_sentences import in_words
from csss.scans.worklist_queries import Counts, ListedScan
from csss.web.doctor.worklist_filter import (
    ARGUMENTS,
    EVERYTHING,
    TO_DO,
    SavedView,
    WorklistFilter,
)
from csss.web.filters import shorten, when
from csss.web.listing import Pager, list_url, page_number
from csss.web.live_region.refresh import digest
from csss.web.live_region.rows import RenderedRow, rendered_once
from csss.web.live_region.shared_look_up import looked_up_once
from csss.web.scan_view import age_at, with_sex

ROW = "doctor/_worklist_row.html"
_NO_SCAN = uuid.UUID(int=0)


@dataclass(frozen=True)
class WorklistRow:
    """One scan in the list. `why` says what is special about it, None for an ordinary scan; `reader` is who has it
    open.
    """

    id: str
    url: str
    picture_url: str
    patient: str
    mrn: str
    age_and_sex: str
    kind: str
    indication: str
    ago: str
    uploaded: str
    uploaded_at: str
    tag: Tag
    urgent: bool
    why: str | None
    reader: str | None
    assigned: str | None
    mine: bool  # assigned to the reader
    second: str | None
    may_assign: bool
    ready: bool  # ready to be read, and no colleague is reading it
    analyse_url: str | None


def scans_asked_for(asked: WorklistFilter, counts: Counts) -> ListPage[ListedScan]:
    """The requested page; the last one when the number is too large."""
    statuses: Sequence[Status] = queries.TO_DO
    status = asked["status"]
    if status == EVERYTHING:
        statuses = tuple(Status)
    elif status != TO_DO:
        statuses = (Status(status),)
    return queries.page(
        statuses,
        counts,
        held=status == TO_DO,
        search=asked["q"],
        only=asked.scans,
        sort=asked["sort"],
        number=page_number(),
    )


def tabs(asked: WorklistFilter, counts: Counts) -> tuple[tuple[str, str, bool, int], ...]:
    """The tabs of the list: (label, address, whether it is this one, number of scans)."""
    lists: list[tuple[str, str, int]] = [(_("To do"), TO_DO, counts.to_do)]
    lists += [(STATUS_NAMES[status], status.value, counts.by_status[status]) for status in Status]
    lists.append((_("All"), EVERYTHING, sum(counts.by_status.values())))
    return tuple(
        (words, asked.url(status=name), name == asked["status"], count) for words, name, count in lists
    )


def look_up(asked: WorklistFilter) -> "WorklistContent":
    """The counts and the page; looked up only once for refreshes that ask for the same at the same time."""
    return looked_up_once((asked, page_number(), language()), lambda: _look_up(asked))


def _look_up(asked: WorklistFilter) -> "WorklistContent":
    counts = queries.counts()
    page = scans_asked_for(asked, counts)
    hidden = queries.urgent_left_out(asked.scans) if asked.filters else 0
    return WorklistContent(counts, page, tabs(asked, counts), rendered_once(ROW, rows(page.rows)), hidden)


def rows(scans: Sequence[ListedScan], reader: uuid.UUID | None = None) -> list[WorklistRow]:
    """The rows as `reader` sees them, without the reader's own claims. None stands for somebody who has claimed none of
    them.
    """
    base = url_for("doctor.worklist")
    # One address for all: `url_for` takes long for each row.
    picture = url_for("files.image", scan_id=_NO_SCAN, size="thumbnail")
    return [_row(scan, reader, base, picture) for scan in scans]


def _row(scan: ListedScan, reader: uuid.UUID | None, base: str, picture: str) -> WorklistRow:
    as_scan = cast("Scan", scan)  # the statuses that presenters and policies need
    url = f"{base}scans/{scan.id}"
    other = scan.claim.doctor if scan.claim is not None and scan.claim.doctor_id != reader else None
    startable = scan.status is Status.PENDING_AI and policies.may(policies.check_can_analyse, as_scan)
    elsewhere = scan.assignment is not None and scan.assignment.to_id != reader
    age = age_at(scan.date_of_birth, scan.uploaded_at)
    return WorklistRow(
        id=str(scan.id),
        url=url,
        picture_url=picture.replace(str(_NO_SCAN), str(scan.id)),
        patient=scan.patient,
        mrn=scan.mrn,
        age_and_sex=with_sex(age, scan.sex),
        kind=KIND_NAMES[scan.kind],
        indication=shorten(scan.indication, 60),
        ago=ago(scan),
        uploaded=when(scan.uploaded_at),
        uploaded_at=scan.uploaded_at.isoformat(timespec="minutes"),
        tag=status_for_staff(as_scan),
        urgent=scan.priority is Priority.URGENT,
        why=_why(scan),
        reader=other,
        assigned=_assigned(scan, reader),
        mine=scan.assignment is not None and not elsewhere,
        second=_second(scan),
        may_assign=scan.closure is None and scan.status in queries.TO_DO,
        ready=scan.status is Status.AI_ANALYZED and other is None and not elsewhere,
        analyse_url=f"{url}/analyze" if startable else None,
    )


def _assigned(scan: ListedScan, reader: uuid.UUID | None) -> str | None:
    """To whom the scan is assigned, and by whom where it is the reader; with the note."""
    found = scan.assignment
    if found is None:
        return None
    if found.to_id != reader:
        return _("Assigned to %(doctor)s", doctor=found.to)
    words = _("Assigned to you by %(doctor)s", doctor=found.by)
    return f"{words}: {shorten(found.note, 60)}" if found.note else words


def _second(scan: ListedScan) -> str | None:
    if scan.second is None:
        return None
    if scan.second.written:
        return _("Second reading written")
    return _("Second reading asked for by %(doctor)s", doctor=scan.second.asked_by)


def ago(scan: ListedScan) -> str:
    """How long ago the scan was uploaded, in rough steps, so that the list does not change every minute."""
    minutes = max(clock.now() - scan.uploaded_at, timedelta()) // timedelta(minutes=1)
    if minutes < 5:
        return _("under 5 min ago")
    if minutes < 60:
        return _("%(minutes)s min ago", minutes=minutes // 5 * 5)
    if minutes < 1440:
        return _("%(hours)s h ago", hours=minutes // 60)
    return _n("%(num)s day ago", "%(num)s days ago", minutes // 1440)


def _why(scan: ListedScan) -> str | None:
    """A few words beside the tag: why it is uncertain or failed, what has to be corrected, or what the classifier sees."""
    if scan.open_hold is not None:
        return shorten(scan.open_hold.note) or None
    if scan.status is Status.PENDING_AI and scan.latest_run is not None:
        return shorten(in_words(scan.latest_run.failure)) or None
    found = scan.prediction
    if scan.status is not Status.AI_ANALYZED or found is None:
        return None
    if found.reason or not found.available or found.confidence is None:
        return shorten(in_words(found.reason)) or None
    if own_reading.why(cast("Scan", scan)) is Why.OTHER_KIND:
        return _("%(label)s: a class of another kind of scan", label=human_name(found.top_label))
    return _(
        "%(label)s, %(percent)s %%", label=human_name(found.top_label), percent=round(100 * found.confidence)
    )


@dataclass(frozen=True)
class WorklistContent:
    """The data from the database, and the rows for everybody who has claimed none of the scans."""

    counts: Counts
    page: ListPage[ListedScan]
    tabs: tuple[tuple[str, str, bool, int], ...]
    rows: list[RenderedRow]
    urgent_hidden: int  # by the filters, of those that wait for a doctor

    def rows_for(self, reader: User, first: Sequence[ListedScan] = ()) -> list[RenderedRow]:
        """The rows; those in `first` come first, whatever page they are on."""
        if not first and not any(_is_about(scan, reader.id) for scan in self.page.rows):
            return self.rows
        ids = {scan.id for scan in first}
        others = [scan for scan in self.page.rows if scan.id not in ids]
        return rendered_once(ROW, rows([*first, *others], reader.id))


def _is_about(scan: ListedScan, reader: uuid.UUID) -> bool:
    """Whether the row says something else to this doctor than to the others."""
    claimed = scan.claim is not None and scan.claim.doctor_id == reader
    return claimed or (scan.assignment is not None and scan.assignment.to_id == reader)


def assigned_to(asked: WorklistFilter, reader: User) -> Sequence[ListedScan]:
    """The scans assigned to this doctor: on top of the first page of what is to do, where nothing is searched for."""
    if asked["status"] != TO_DO or asked["q"] or asked.filters or page_number() > 1:
        return ()
    ids = assignments.ids_for(reader)
    return rows_of(ids) if ids else ()


@dataclass(frozen=True)
class Region:
    """Everything in the live region except the rows' markup."""

    asked: WorklistFilter
    tabs: tuple[tuple[str, str, bool, int], ...]
    versions: tuple[str, ...]
    to_analyse: int
    here: str
    back: str
    pager: Pager
    view: SavedView
    urgent_hidden: int

    @cached_property
    def version(self) -> str:
        """Changes with everything that the region shows, no matter which of its rows are sent."""
        return digest(repr(self))

    def values(self) -> dict[str, Any]:
        """The values for the template."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**own, "version": self.version}


def back_to(query: str) -> str:
    """The list's address, from the query string in a row's form; unknown parameters are ignored."""
    wanted = {name: value for name, value in parse_qsl(query) if name in {*ARGUMENTS, "page"}}
    return list_url("doctor.worklist", wanted)
