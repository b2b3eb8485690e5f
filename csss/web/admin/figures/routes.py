"""Routes: how the clinic works, in figures."""

from collections.abc import Iterator
from datetime import timedelta

from flask import Response, request, url_for

from csss.audit.record import record
from csss.database import transaction
from csss.i18n import _n
from csss.people.permissions import Permission
from csss.scans import critical_results
from csss.scans.states import Agreement, Status
from csss.statistics import queries
from csss.statistics.figures import PERIODS, Figures
from csss.web.admin.blueprint import admin
from csss.web.admin.figures import plots
from csss.web.exports import csv_response
from csss.web.fetch_site import not_from_elsewhere
from csss.web.fragments import page_or_fragment
from csss.web.guard import me, requires


def _days() -> int:
    """The requested period in days; any invalid value means a month."""
    days = request.args.get("days", 30, type=int)
    return days if days in PERIODS else 30


@admin.get("/statistics")
@requires(Permission.AUDIT_READ)
def statistics() -> Response:
    """Scans, waiting times, agreement and mail of a period; `days` is 7, 30, 90 or 365."""
    days = _days()
    figures = queries.figures(days)
    strips, waits, parts = plots.strips(figures), plots.wait_rows(figures), plots.parts_words(figures)
    agreement = plots.agreement_rows(figures)
    counts = [figures.steps[status] for status in Status]
    if any(figures.closed):
        counts.append(figures.closed)
    return page_or_fragment(
        "admin/statistics.html",
        "admin/_statistics.html",
        days=days,
        made_at=figures.made_at,
        periods=[
            (
                _n("%(num)s day", "%(num)s days", each),
                url_for(".statistics", days=each),
                each == days,
                None,
            )
            for each in PERIODS
        ],
        standing=plots.standing_words(figures),
        strips=strips,
        parts=parts,
        table=[(name, *(row[number] for row in counts)) for number, name in enumerate(parts)],
        waits=waits,
        wait_table=[(row.label, row.count, row.median, row.p90) for row in waits],
        agreement=agreement,
        agreement_table=[(row.label, *row.counts) for row in agreement],
        uncertain=plots.uncertain_row(figures),
        without=figures.readings.without,
        minds=plots.minds_row(figures) if figures.minds.revealed else None,
        critical_minutes=critical_results.limit() // timedelta(minutes=1),
        seconds=plots.seconds_row(figures) if figures.seconds.asked else None,
        seconds_asked=figures.seconds.asked,
        criticals=plots.criticals_view(figures) if figures.criticals.marked else None,
        mails=plots.mail_rows(figures),
    )


@admin.get("/statistics.csv")
@requires(Permission.AUDIT_READ)
@not_from_elsewhere
def statistics_csv() -> Response:
    """The same figures for a spreadsheet, one on each line; names are those used in the code, times are in seconds."""
    days = _days()
    with transaction():
        record("statistics.exported", by=me(), days=days)
    heads = ("figure", "of", "beginning", "value")
    return csv_response(f"csss-statistics-{days}-days", heads, _rows(queries.figures(days)))


def _rows(figures: Figures) -> Iterator[tuple[object, ...]]:
    for status in Status:
        for bucket, count in zip(figures.buckets, figures.steps[status], strict=True):
            yield "scans", status.value, bucket.first_day.isoformat(), count
    for bucket, count in zip(figures.buckets, figures.closed, strict=True):
        yield "scans", "closed", bucket.first_day.isoformat(), count
    for status, count in figures.standing.items():
        yield "open scans now", status.value, "", count
    for status, wait in figures.waits.items():
        yield "wait, median", status.value, "", round(wait.median.total_seconds(), 3)
        yield "wait, ninetieth percentile", status.value, "", round(wait.p90.total_seconds(), 3)
    for label, verdicts in figures.verdicts.items():
        for each in Agreement:
            yield f"doctors: {each.value}", label, "", verdicts.counts[each]
        yield "doctors: not said", label, "", verdicts.unsaid
    readings = figures.readings
    yield "readings", "certain", "", readings.certain
    yield "readings", "uncertain", "", readings.uncertain
    yield "readings", "without classifier", "", readings.without
    yield "readings", "after a first impression", "", figures.minds.revealed
    yield "readings", "changed after the classifier's answer", "", figures.minds.changed
    yield "second readings", "asked for", "", figures.seconds.asked
    yield "second readings", "written", "", figures.seconds.written
    yield "second readings", "same conclusion", "", figures.seconds.same
    critical = figures.criticals
    yield "critical results", "marked", "", critical.marked
    yield "critical results", "decided", "", critical.decided
    yield "critical results", "taken note of in time", "", critical.within
    if critical.waits is not None:
        yield "critical results, median", "", "", round(critical.waits.median.total_seconds(), 3)
        yield "critical results, ninetieth percentile", "", "", round(critical.waits.p90.total_seconds(), 3)
    for (kind, state), count in figures.mails.items():
        yield f"mail: {kind.value}", state.value, "", count
