"""What the classifier's second output has said of a scan: findings to look for, which are no diagnosis, and their heat maps.

A prediction keeps the thresholds that held when it was made, so that it says the same after a change of the model.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from csss.inference.labels import NO_FINDING
from csss.scans.models import Scan
from csss.scans.states import ScanKind

if TYPE_CHECKING:
    from csss.inference import Result

MAPS = 5
"""Of so many findings, the most probable, a heat map is kept."""


@dataclass(frozen=True)
class NamedFinding:
    """One finding with its probability, the probability from which on it is worth a look, and whether it has a map."""

    name: str
    probability: float
    threshold: float
    has_map: bool = False

    @property
    def counts(self) -> bool:
        """At its threshold it counts."""
        return self.probability >= self.threshold


@dataclass(frozen=True)
class NamedFindings:
    """`likely` are at or above their thresholds, `others` below, the most probable first; `none` is that of no finding."""

    likely: tuple[NamedFinding, ...]
    others: tuple[NamedFinding, ...]
    none: NamedFinding

    @property
    def none_likely(self) -> bool:
        """No finding counts, and that there is none does."""
        return not self.likely and self.none.counts


def findings_of(scan: Scan) -> NamedFindings | None:
    """None where the classifier has named none: an older model, another picture, or a scan that is no chest X-ray."""
    found = scan.prediction
    if found is None or found.findings is None or found.no_finding is None:
        return None
    if scan.kind is not ScanKind.CHEST_XRAY:
        return None  # a doctor has corrected the kind, or it was sent as another
    limits, maps = found.finding_thresholds or {}, found.finding_maps or {}
    named = [
        NamedFinding(name, probability, limits.get(name, 1.0), name in maps)
        for name, probability in sorted(found.findings.items(), key=lambda each: each[1], reverse=True)
    ]
    return NamedFindings(
        tuple(each for each in named if each.counts),
        tuple(each for each in named if not each.counts),
        NamedFinding(NO_FINDING, found.no_finding, limits.get(NO_FINDING, 1.0)),
    )


def map_of(scan: Scan, name: str) -> NDArray[np.float32] | None:
    """The heat map of a finding, a grid in 0..1; None where none is kept."""
    if findings_of(scan) is None or scan.prediction is None:
        return None
    kept = (scan.prediction.finding_maps or {}).get(name)
    return None if kept is None else unpacked(kept)


def maps_to_keep(reading: "Result") -> dict[str, str] | None:
    """The packed maps of the findings at or above their thresholds, of the most probable only; None without findings."""
    if reading.findings is None or reading.finding_maps is None:
        return None
    limits = reading.finding_thresholds or {}
    likely = [name for name, value in reading.findings.items() if value >= limits.get(name, 1.0)]
    likely.sort(key=reading.findings.__getitem__, reverse=True)
    return {name: packed(reading.finding_maps[name]) for name in likely[:MAPS]}


def packed(grid: NDArray[np.float32]) -> str:
    """A grid in 0..1 in 8 bits a cell: its width and its cells, as text (base64). 7 x 7 cells take 68 characters."""
    cells = np.round(np.clip(grid, 0, 1) * 255).astype(np.uint8)
    return base64.b64encode(bytes([cells.shape[1]]) + cells.tobytes()).decode("ascii")


def unpacked(text: str) -> NDArray[np.float32] | None:
    """What `packed` was given, to within half a step of 255; None for anything else."""
    try:
        width, *cells = base64.b64decode(text, validate=True)
        return np.array(cells, np.float32).reshape(-1, width) / np.float32(255) if cells else None
    except (binascii.Error, ValueError):
        return None
