"""Read the list of interactions, and find those between two medicines.

The file has four columns, separated by semicolons: one; other; how serious; what may happen. One and other are the
beginning of an ATC code or an ingredient's name. A row `source:;who says so;2026-11-30` comes before them.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from csss.config import BadSetting
from csss.prescriptions.formulary import DATA, SOURCE, Medicine, Source, rows, source_of
from csss.prescriptions.safety.facts import Severity

_PREFIX = re.compile(r"[A-Z]\d\d(?:[A-Z](?:[A-Z](?:\d\d)?)?)?")
_USUAL = "usual"
_ORDER = list(Severity)


@dataclass(frozen=True)
class Interaction:
    """`severity` None: the two are given together on purpose."""

    one: str
    other: str
    severity: Severity | None
    sentence: str
    source: Source

    def joins(self, first: Medicine, second: Medicine) -> bool:
        return (_names(self.one, first) and _names(self.other, second)) or (
            _names(self.one, second) and _names(self.other, first)
        )


@dataclass(frozen=True)
class Interactions:
    """The whole list. An empty one knows nothing."""

    rows: tuple[Interaction, ...] = ()

    def between(self, first: Medicine, second: Medicine) -> Interaction | None:
        """The most serious thing that may happen."""
        found = [each for each in self.rows if each.severity is not None and each.joins(first, second)]
        return min(found, key=lambda each: _ORDER.index(each.severity or Severity.NOTE), default=None)

    def usual(self, first: Medicine, second: Medicine) -> bool:
        """Whether the two are given together on purpose."""
        return any(each.severity is None and each.joins(first, second) for each in self.rows)


@cache
def load(path: str = "") -> Interactions:
    """The list in the file at `path`, or ours. Read once per process. Raises BadSetting, which names the line."""
    found: list[Interaction] = []
    source: Source | None = None
    try:
        for number, row in rows(Path(path) if path else DATA / "interactions.csv"):
            where = f"CSSS_INTERACTIONS, line {number}"
            if row[0] == SOURCE:
                source = source_of(row, where)
            else:
                found.append(_interaction(row, source, where))
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"CSSS_INTERACTIONS is {path!r}: the file cannot be read ({error}).") from error
    return Interactions(tuple(found))


def _interaction(row: list[str], source: Source | None, where: str) -> Interaction:
    if len(row) != 4 or not row[0] or not row[1]:
        raise BadSetting(f"{where}: four columns are expected: one; other; how serious; what may happen.")
    one, other, severity, sentence = row
    if severity not in (*Severity, _USUAL):
        raise BadSetting(f"{where}: {severity!r} is not serious, caution, note or usual.")
    if severity != _USUAL and not sentence:
        raise BadSetting(f"{where}: say what may happen.")
    if source is None:
        raise BadSetting(f"{where}: say above it who says so: “source:;who says so;2026-11-30”.")
    return Interaction(one, other, None if severity == _USUAL else Severity(severity), sentence, source)


def _names(what: str, medicine: Medicine) -> bool:
    if _PREFIX.fullmatch(what):
        return medicine.code.startswith(what)
    return what.lower() == medicine.name.lower() or what.lower() in medicine.ingredients
