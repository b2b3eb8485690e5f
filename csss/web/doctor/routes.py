"""Routes: a doctor works through the worklist."""

import uuid
from urllib.parse import parse_qsl, urlsplit

from flask import Response, flash, make_response, request, url_for

from csss.database import transaction
from csss.errors import NotFound, StateConflict
from csss.i18n import _, _n
from csss.people.permissions import Permission
from csss.scans import analysis as analyses
from csss.scans import claims, queries, worklist_views
from csss.scans import worklist_queries as lists
from csss.web.critical import critical_notices
from csss.web.doctor import worklist
from csss.web.doctor.blueprint import doctor
from csss.web.doctor.claim_fragment import claim_fragment
from csss.web.doctor.forms import AssignForm
from csss.web.doctor.putting_off import put_off, put_off_now
from csss.web.doctor.worklist_filter import FILTERS, address_of, columns, filter_form, read_filter, saved_view
from csss.web.fragments import is_htmx, page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.listing import pager
from csss.web.live_region.refresh import is_refresh
from csss.web.live_region.rows import rows_to_send

# How many analyses one click starts, and how many of them in one transaction, so that no other writer waits long.
MOST_AT_ONCE, IN_ONE_TRANSACTION = 500, 25


@doctor.get("/", endpoint="worklist")
@requires(Permission.SCAN_REVIEW)
def show_worklist() -> Response:
    """The scans a doctor has to act on; with filters any open scan. The bare address opens the doctor's saved view."""
    saved = worklist_views.saved_by(me())
    if saved and not request.args and not is_htmx():
        return redirect_after(address_of(saved))
    asked = read_filter(request.args, me())
    found = worklist.look_up(asked)
    rows = found.rows_for(me(), worklist.assigned_to(asked, me()))
    region = worklist.Region(
        asked=asked,
        tabs=found.tabs,
        versions=tuple(row.version for row in rows),
        to_analyse=found.counts.to_analyse,
        here=request.full_path.rstrip("?"),
        back=request.query_string.decode("utf-8", "replace"),
        pager=pager(found.page),
        view=saved_view(asked, saved),
        urgent_hidden=found.urgent_hidden,
    )
    values = {**region.values(), "rows": rows_to_send(rows), "columns": columns(asked)}
    values["plain_url"] = asked.url(**dict.fromkeys(FILTERS, ""))
    if not is_htmx():
        values |= {"form": filter_form(asked, me()), "critical": critical_notices()}
        values["assigning"] = AssignForm().offering(me())
    return page_or_fragment("doctor/worklist.html", "doctor/_worklist.html", **values)


@doctor.post("/view")
@requires(Permission.SCAN_REVIEW)
def save_view() -> Response:
    """Save the shown filters and order: the worklist opens with them."""
    back = worklist.back_to(request.form.get("back", ""))
    asked = read_filter(dict(parse_qsl(urlsplit(back).query)), me())
    with transaction():
        worklist_views.save(asked.view, by=me())
    flash(_("The worklist now opens with this list, these filters and this order."), "success")
    return redirect_after(back)


@doctor.post("/view/forget")
@requires(Permission.SCAN_REVIEW)
def forget_view() -> Response:
    """Delete the saved view: the worklist opens with all that is to do again."""
    with transaction():
        worklist_views.forget(by=me())
    flash(_("Your view has been deleted. The worklist opens with everything that is to do."), "success")
    return redirect_after(worklist.back_to(request.form.get("back", "")))


@doctor.get("/next")
@requires(Permission.SCAN_REVIEW)
def next_scan() -> Response:
    """Redirect to the scan that this doctor reads next; with `after` or `before` to the neighbour of that scan."""
    for name in ("after", "before"):
        here = request.args.get(name, type=uuid.UUID)
        if here is not None:
            return _neighbour(here, before=name == "before")
    return _go_on(lists.next_scan_for(me(), put_off=put_off()))


def _neighbour(scan_id: uuid.UUID, *, before: bool) -> Response:
    found = lists.beside(queries.scan_visible_to(me(), scan_id), me(), before=before)
    if found is None:
        flash(
            _("No scan before this one is ready to be read.")
            if before
            else _("No scan after this one is ready to be read."),
            "info",
        )
    return redirect_after(url_for("doctor.scan", scan_id=found or scan_id))


@doctor.post("/scans/<uuid:scan_id>/skip")
@requires(Permission.SCAN_REVIEW)
def skip(scan_id: uuid.UUID) -> Response:
    """Skip the scan: it comes again when this doctor has read the others. What has been typed stays a draft."""
    queries.scan_visible_to(me(), scan_id)
    put_off_now(scan_id)
    return _go_on(lists.next_scan_for(me(), but=scan_id, put_off=put_off()))


def _go_on(found: uuid.UUID | None) -> Response:
    if found is not None:
        return redirect_after(url_for("doctor.scan", scan_id=found))
    flash(_("No scan is ready to be read, or colleagues are reading them already."), "info")
    return redirect_after(url_for("doctor.worklist"))


@doctor.post("/analyze-all")
@requires(Permission.SCAN_REVIEW)
def analyze_all() -> Response:
    """Start the analysis of every waiting scan. Each starts only once, even if two doctors click or one clicks twice."""
    waiting = lists.waiting_for_analysis(MOST_AT_ONCE)
    started = 0
    for first in range(0, len(waiting), IN_ONE_TRANSACTION):
        with transaction():
            started += sum(_started(scan_id) for scan_id in waiting[first : first + IN_ONE_TRANSACTION])
    if started:
        words = _n("One analysis has been started.", "%(num)s analyses have been started.", started)
        flash(words, "success")
    else:
        flash(_("No scan was waiting to be analysed any more."), "info")
    return redirect_after(worklist.back_to(request.form.get("back", "")))


def _started(scan_id: uuid.UUID) -> bool:
    try:
        analyses.start(scan_id, by=me())
    except (StateConflict, NotFound):  # not `try_step`: one of many
        return False  # somebody else has started or erased it meanwhile
    return True


@doctor.get("/scans/<uuid:scan_id>/claim", endpoint="claim_state")
@requires(Permission.SCAN_REVIEW)
def show_claim(scan_id: uuid.UUID) -> Response:
    """Show who is reading the scan now, as a small live region."""
    queries.scan_visible_to(me(), scan_id)
    if not is_htmx():
        return redirect_after(url_for("doctor.scan", scan_id=scan_id))
    return claim_fragment(scan_id)


@doctor.post("/scans/<uuid:scan_id>/claim")
@requires(Permission.SCAN_REVIEW)
def claim(scan_id: uuid.UUID) -> Response:
    """Claim the scan, so that colleagues see who is reading it; the open page repeats this from time to time."""
    by = me()
    over = "take_over" in request.form
    if not (is_refresh() and _renewed(scan_id)):
        with transaction():
            claims.take(scan_id, by=by, over=over)
    return claim_fragment(scan_id) if is_htmx() else redirect_after(url_for("doctor.scan", scan_id=scan_id))


def _renewed(scan_id: uuid.UUID) -> bool:
    with transaction():
        return claims.renew(scan_id, by=me())


@doctor.post("/scans/<uuid:scan_id>/release")
@requires(Permission.SCAN_REVIEW)
def release(scan_id: uuid.UUID) -> Response:
    """Release the claim when the page has been left."""
    queries.scan_visible_to(me(), scan_id)
    with transaction():
        claims.release(scan_id, by=me())
    # Sent by a page that is already closed (a beacon), or by a button.
    return (
        make_response("", 204)
        if "beacon" in request.form
        else redirect_after(url_for("doctor.scan", scan_id=scan_id))
    )
