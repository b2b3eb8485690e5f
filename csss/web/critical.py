"""Critical results for staff: what nobody has taken note of yet, at the top of every list, and the button to do so."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, flash, render_template, request, url_for

from csss.clock import now
from csss.database import transaction
from csss.dates import when
from csss.errors import NotFound
from csss.i18n import _
from csss.people.permissions import Permission
from csss.people.roles import Role
from csss.scans import critical_results, queries
from csss.scans.critical_models import CriticalEvent, CriticalResult
from csss.scans.presenters import KIND_NAMES
from csss.web.filters import ago
from csss.web.fragments import is_htmx, redirect_after
from csss.web.guard import me, requires
from csss.web.live_region.refresh import digest, is_refresh, refreshed
from csss.web.navigation import home_url

critical = Blueprint("critical", __name__)
_SCAN_PAGES = {Role.DOCTOR: "doctor.scan", Role.PHARMACIST: "pharmacist.scan", Role.ADMIN: "admin.scan"}


@dataclass(frozen=True)
class CriticalView:
    """A critical result in words: templates/scans/critical.html. `taken` says who has taken note, and when."""

    id: uuid.UUID
    scan_id: uuid.UUID
    url: str
    patient: str
    mrn: str
    kind: str
    action: str
    marked: str
    waiting: str
    overdue: bool
    told: str | None  # when administrators and the doctor were told that nobody has taken note
    taken: str | None
    may_take: bool


def critical_view(result: CriticalResult) -> CriticalView:
    scan, taken, told = result.scan, result.acknowledgement, result.escalations
    waits = result.settled_at is None
    return CriticalView(
        id=result.id,
        scan_id=scan.id,
        url=url_for(_SCAN_PAGES[me().role], scan_id=scan.id),
        patient=scan.patient.name,
        mrn=scan.patient.mrn,
        kind=KIND_NAMES[scan.kind],
        action=result.action,
        marked=f"{result.marked_by.name}, {when(result.marked_at)}",
        waiting=ago(result.marked_at),
        overdue=waits and now() - result.marked_at >= critical_results.limit(),
        told=when(told[-1].at) if told and waits else None,
        taken=taken_words(taken) if taken else None,
        may_take=waits and me().may(Permission.CRITICAL_ACKNOWLEDGE) and result.marked_by_id != me().id,
    )


def critical_of(scan_id: uuid.UUID) -> CriticalView | None:
    """The critical result of a scan that counts."""
    result = critical_results.standing(scan_id)
    return critical_view(result) if result is not None else None


def critical_notices() -> Sequence[CriticalView]:
    """What stands at the top of this person's list: for a doctor, the own results that have waited too long."""
    if me().role is Role.DOCTOR:
        late = now() - critical_results.limit()
        found = critical_results.unacknowledged(marked_by=me(), since=late)
    else:
        found = critical_results.unacknowledged()
    return [critical_view(each) for each in found]


def taken_words(event: CriticalEvent) -> str:
    """Ada Admin (Administrator), 30 Nov 2026, 14:05."""
    name = event.person.name if event.person else "–"
    role = event.person_role.human if event.person_role else "–"
    return _("%(name)s (%(role)s), %(when)s", name=name, role=role, when=when(event.at))


@critical.get("/critical")
@requires(Permission.CRITICAL_SEE)
def notices() -> Response:
    """The region at the top of the lists; a browser gets the list itself."""
    if not is_htmx():
        return redirect_after(home_url(me().role))
    found = critical_notices()
    html = render_template("scans/_critical_notices.html", critical=found)
    if is_refresh():
        return refreshed(html, digest(repr(found)))
    response = Response(html)
    response.vary.add("HX-Request")
    return response


@critical.post("/scans/<uuid:scan_id>/critical")
@requires(Permission.CRITICAL_ACKNOWLEDGE)
def take_note(scan_id: uuid.UUID) -> Response:
    """Record that this person has taken note of the result that was shown (`result`); with `back=list`, go to the list."""
    scan = queries.scan_visible_to(me(), scan_id)
    shown = request.form.get("result", type=uuid.UUID)
    if shown is None:
        raise NotFound(_("There is no such critical result."))
    with transaction():
        kept = critical_results.acknowledge(scan.id, shown, by=me())
        first, words = kept.person_id == me().id, taken_words(kept)
    if first:
        flash(_("It is recorded that you have taken note of the critical result. Act on it now."), "success")
    else:
        flash(_("Somebody has taken note of it before you: %(who)s.", who=words), "info")
    if request.form.get("back") == "list":
        return redirect_after(home_url(me().role))
    return redirect_after(url_for(_SCAN_PAGES[me().role], scan_id=scan_id))
