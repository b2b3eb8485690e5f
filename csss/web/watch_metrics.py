"""What Prometheus hears of the watch: the figures of the version that has read the newest scan, as of the last midnight."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from csss.watch import alarms, queries
from csss.watch.figures import Figure, FigureComparison, WatchedKind

LABELS = ["kind", "version", "figure"]
_TOGETHER = ["kind", "version"]


def watch_metrics() -> Iterator[Metric]:
    """At most two kinds of scan and, for each, ten figures and a class of the model each. Raises SQLAlchemyError."""
    versions = queries.versions()
    kinds = queries.watched_kinds(versions[0]) if versions else ()
    now = GaugeMetricFamily("csss_watch_now", "A share, or a median, of recent scans", labels=LABELS)
    before = GaugeMetricFamily("csss_watch_before", "The same of the version's first scans", labels=LABELS)
    outside = GaugeMetricFamily("csss_watch_outside", "1 when it is outside its limits", labels=LABELS)
    missing = GaugeMetricFamily(
        "csss_watch_missing_scans", "Scans that are missing to compare", labels=_TOGETHER
    )
    still_open = GaugeMetricFamily("csss_watch_alarms_open", "Alarms that are open", labels=_TOGETHER)
    opened = alarms.open_alarms()
    for kind in kinds:
        together = [kind.kind.value, kind.version]
        missing.add_metric(together, kind.missing_reference + kind.missing_recent)
        still_open.add_metric(together, opened.get((kind.version, kind.kind), 0))
        for each in _measured(kind):
            labels = [*together, _figure(each)]
            now.add_metric(labels, each.now or 0.0)
            before.add_metric(labels, each.was or 0.0)
            outside.add_metric(labels, int(each.is_outside))
    yield from (now, before, outside, missing, still_open)


def _measured(kind: WatchedKind) -> Iterator[FigureComparison]:
    return (each for each in kind.compared if each.is_compared)


def _figure(each: FigureComparison) -> str:
    return f"answer:{each.answer}" if each.figure is Figure.ANSWER else each.figure.value
