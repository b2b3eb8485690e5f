"""The findings that the classifier names, in the values that pages show: the only place from which a page takes them."""

from dataclasses import dataclass

from flask import url_for

from csss.inference.classes import WITHOUT_FINDING
from csss.scans.findings import NamedFinding, findings_of
from csss.scans.models import Scan
from csss.scans.own_reading import counts_as_uncertain
from csss.scans.presenters import finding_name


@dataclass(frozen=True)
class FindingRow:
    """One finding. `map_url` is the address of its heat map, None where none is kept."""

    name: str
    human: str
    value: float
    threshold: float
    map_url: str | None


@dataclass(frozen=True)
class FindingsView:
    """What templates/scans/findings.html shows. `likely` and `others` have the most probable first.

    `leads`: the six classes say neither ill nor healthy, so that this is shown first.
    """

    likely: tuple[FindingRow, ...]
    others: tuple[FindingRow, ...]
    none: FindingRow
    none_likely: bool
    leads: bool


def findings_view(scan: Scan) -> FindingsView | None:
    """None where there is nothing to show."""
    found, prediction = findings_of(scan), scan.prediction
    if found is None or prediction is None:
        return None
    return FindingsView(
        likely=tuple(_row(scan, each) for each in found.likely),
        others=tuple(_row(scan, each) for each in found.others),
        none=_row(scan, found.none),
        none_likely=found.none_likely,
        leads=prediction.label in WITHOUT_FINDING and not counts_as_uncertain(scan),
    )


def _row(scan: Scan, finding: NamedFinding) -> FindingRow:
    return FindingRow(
        name=finding.name,
        human=finding_name(finding.name),
        value=finding.probability,
        threshold=finding.threshold,
        map_url=url_for("files.finding_map", scan_id=scan.id, finding=finding.name)
        if finding.has_map
        else None,
    )
