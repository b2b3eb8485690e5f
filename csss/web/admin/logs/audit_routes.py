"""Routes: the audit log, and its export."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from flask import Response, current_app, request

from csss.audit import chain
from csss.audit import queries as audit_queries
from csss.audit.queries import AuditQuery
from csss.audit.record import record
from csss.clock import now
from csss.database import transaction
from csss.i18n import _
from csss.people.permissions import Permission
from csss.reports import approvals
from csss.reports.audit_names import AuditNames, names_of
from csss.web.admin.blueprint import admin
from csss.web.admin.logs.audit_presenters import audit_rows
from csss.web.admin.logs.forms import AuditFilter
from csss.web.exports import csv_response
from csss.web.fetch_site import not_from_elsewhere
from csss.web.fragments import UNPROCESSABLE, page_or_fragment
from csss.web.guard import me, requires
from csss.web.listing import filters, list_url


@admin.get("/audit")
@requires(Permission.AUDIT_READ)
def audit_log() -> Response:
    """Who did what, when and from where, newest first."""
    return _show_audit()


def _show_audit(*, status: int = 200, refused: str = "") -> Response:
    form = AuditFilter(request.args)
    form.offer_action()
    cut = audit_queries.events(_asked(form), before=_event_number(request.args.get("before", "")))
    kept = filters(but="before")
    names = names_of([entry.event for entry in cut.entries]) if _may_see_names() else AuditNames()
    return page_or_fragment(
        "admin/audit.html",
        "admin/_audit.html",
        status=status,
        form=form,
        refused=refused,
        rows=audit_rows(cut.entries, names, me(), fold=not kept),
        filtered=bool(kept),
        head=chain.head(),
        checked=audit_queries.last_check(),
        export_url=list_url(".audit_csv", kept),
        newest_url=list_url(".audit_log", kept) if "before" in request.args else None,
        older_url=list_url(".audit_log", kept | {"before": str(cut.older)}) if cut.older else None,
    )


def _may_see_names() -> bool:
    """Names and MRNs stand only where the reader could open the account or the scan."""
    return me().may(Permission.ACCOUNT_MANAGE) and me().may(Permission.SCAN_SEE)


def _asked(form: AuditFilter) -> AuditQuery:
    first, last = form.day_from.data, form.day_to.data
    wanted = (form.subject.data or "").strip()
    return AuditQuery(
        action=form.action.data or "",
        person=form.person.data or "",
        subjects=approvals.audit_subjects(wanted) if wanted else None,
        since=_midnight(first) if first else None,
        until=_midnight(last + timedelta(days=1)) if last and last < date.max else None,
    )


EXPORT_DAYS = 31  # the number of days shown when no dates are given


@admin.get("/audit.csv")
@requires(Permission.AUDIT_READ)
@not_from_elsewhere
def audit_csv() -> Response:
    """The filtered log for a spreadsheet: one year at most; the last month when no day is given."""
    form = AuditFilter(request.args)
    asked = _asked(form)
    until = min(asked.until or now(), now())
    since = asked.since or until - timedelta(days=EXPORT_DAYS)
    if until - since > timedelta(days=audit_queries.EXPORT_DAYS + 1):
        days = audit_queries.EXPORT_DAYS
        return _show_audit(
            status=UNPROCESSABLE,
            refused=_("At most %(days)s days can be exported at once. Choose a shorter period.", days=days),
        )
    # Record which fields were filled in, not their values: a name or an MRN would remain here after the person is
    # erased.
    searched = sorted(filters(but="before"))
    with transaction():
        record(
            "audit.exported",
            by=me(),
            since=since.isoformat(),
            until=until.isoformat(),
            searched=[name for name in searched if name in form],
        )
    heads = ("number", "at", "action", "who", "role", "about", "id", "details", "from")
    return csv_response("csss-audit", heads, _lines(replace(asked, since=since, until=until)))


def _lines(asked: AuditQuery) -> Iterator[tuple[object, ...]]:
    """The lines of the export: times in UTC (ISO 8601), actions and details as they are stored."""
    for entry in audit_queries.export(asked):
        event = entry.event
        yield (
            event.id,
            event.at.isoformat(timespec="seconds"),
            event.action,
            entry.actor or "",
            event.actor_role,
            event.subject_type,
            event.subject_id,
            json.dumps(event.detail, ensure_ascii=False, sort_keys=True) if event.detail else "",
            event.origin,
        )


def _event_number(text: str) -> int | None:
    """The number of an event; None for a value that cannot be one. PostgreSQL's numbers end at 2^63."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _midnight(day: date) -> datetime:
    """When a day begins in the hospital's time zone. East of Greenwich, the first day that Python knows would begin too
    early.
    """
    return datetime.combine(max(day, date(1, 1, 2)), time.min, tzinfo=current_app.config["CSSS"].zone)
