"""Routes: whether pictures and answers of the classifier change, and the alarms about it."""

import uuid

from flask import Response, flash, request, url_for

from csss.database import transaction
from csss.i18n import _
from csss.people.permissions import Permission
from csss.watch import alarms, queries
from csss.watch.figures import FALSE_ALARMS, MOST, RECENT, RECENT_DAYS, REFERENCE
from csss.web.admin.blueprint import admin
from csss.web.admin.figures import watch_plots
from csss.web.fragments import page_or_fragment, redirect_after
from csss.web.guard import me, requires


@admin.get("/watch")
@requires(Permission.MODEL_WATCH)
def watch() -> Response:
    """One version of the classifier: its alarms, and every figure before and now. `version` is one of the newest five."""
    versions = queries.versions()
    asked = request.args.get("version", "")
    chosen = asked if asked in versions else next(iter(versions), "")
    kinds = queries.watched_kinds(chosen) if chosen else ()
    return page_or_fragment(
        "admin/watch.html",
        "admin/_watch.html",
        version=chosen,
        tabs_of_versions=[(each, url_for(".watch", version=each), each == chosen, None) for each in versions],
        looked_at=queries.looked_at(),
        kinds=[watch_plots.kind_view(each) for each in kinds],
        alarms=watch_plots.alarm_views(alarms.of_version(chosen)),
        reference=REFERENCE,
        recent=RECENT,
        recent_days=RECENT_DAYS,
        most=MOST,
        one_in=round(1 / FALSE_ALARMS),
    )


@admin.post("/watch/<uuid:alarm_id>/seen")
@requires(Permission.MODEL_WATCH)
def see_alarm(alarm_id: uuid.UUID) -> Response:
    """An administrator has seen an alarm: it leaves the start page."""
    with transaction():
        alarms.see(alarm_id, by=me())
    flash(
        _("The alarm is marked as seen. It stays open until its figure is within the limits again."),
        "success",
    )
    return redirect_after(url_for(".watch"))
