"""The sheet of OWASP ASVS 5.0 (docs/asvs.toml): reading it, and `make asvs`, which says how far it is met.

`make asvs` prints the count and everything that is missing; `make asvs ARGS=V6` every requirement of a chapter.
"""

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHEET = ROOT / "docs/asvs.toml"
ID = re.compile(r"(V\d{1,2}\.\d{1,2})\.(\d{1,2})")
STATES = ("met", "pending", "gap", "not applicable")


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One row. `pending` names the branch that brings its tests, `gap` says what is not met, `why` why it does not apply."""

    id: str
    level: int
    text: str
    applies: bool
    where: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    note: str = ""
    why: str = ""
    gap: str = ""
    pending: str = ""

    @property
    def chapter(self) -> str:
        return self.id.partition(".")[0]

    @property
    def missing(self) -> list[str]:
        """The tests that are named and not there."""
        return [test for test in self.tests if test not in all_tests()]

    @property
    def state(self) -> str:
        if not self.applies:
            return "not applicable"
        if self.pending and (self.missing or not self.tests):
            return "pending"
        return "gap" if self.gap else "met"


@dataclass(frozen=True)
class Sheet:
    """The rows, and the level of every requirement that the standard has: `V1.1` = "22" are V1.1.1 and V1.1.2."""

    levels: dict[str, str]
    rows: tuple[Requirement, ...]

    def level_of(self, requirement: str) -> int | None:
        """None for one that the standard does not have."""
        found = ID.fullmatch(requirement)
        section = self.levels.get(found[1], "") if found else ""
        number = int(found[2]) if found else 0
        return int(section[number - 1]) if 1 <= number <= len(section) else None

    @property
    def all_ids(self) -> Iterator[tuple[str, int]]:
        for section, levels in self.levels.items():
            yield from ((f"{section}.{number}", int(level)) for number, level in enumerate(levels, start=1))


def read() -> Sheet:
    found = tomllib.loads(SHEET.read_text(encoding="utf-8"))
    known = {field.name for field in fields(Requirement)}
    rows = []
    for row in found["requirement"]:
        if strange := set(row) - known:
            raise ValueError(f"{row.get('id')}: {', '.join(sorted(strange))} means nothing here")
        rows.append(Requirement(**{name: tuple(v) if isinstance(v, list) else v for name, v in row.items()}))
    return Sheet(found["levels"], tuple(rows))


@cache
def all_tests() -> frozenset[str]:
    """Every test of the project as pytest names it, seen in the source and not run."""
    return frozenset(
        f"{file.relative_to(ROOT).as_posix()}::{node.name}"
        for file in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def summary(sheet: Sheet) -> str:
    """A table by level, then everything that is missing."""
    lines = [
        f"{'OWASP ASVS 5.0':<16}" + "".join(f"{state:>16}" for state in STATES) + f"{'in the sheet':>16}"
    ]
    total = Counter(level for _, level in sheet.all_ids)
    for level in (1, 2, 3):
        count = Counter(row.state for row in sheet.rows if row.level == level)
        there = f"{count.total()} of {total[level]}"
        lines.append(f"{f'level {level}':<16}" + "".join(f"{count[s]:>16}" for s in STATES) + f"{there:>16}")
    for state in ("gap", "pending"):
        lines += ["", f"{state}:"]
        for row in sheet.rows:
            if row.state == state:
                why = row.gap if state == "gap" else f"{row.pending}{'; a gap after that' if row.gap else ''}"
                lines.append(f"  {row.id:<8} (level {row.level}) {row.text}: {why}")
    return "\n".join(lines)


def chapter(sheet: Sheet, name: str) -> str:
    """Every requirement of a chapter with what proves it."""
    lines = []
    for row in sheet.rows:
        if row.chapter == name or row.id.startswith(f"{name}."):
            lines.append(f"{row.id:<8} (level {row.level}) {row.state}: {row.text}")
            lines += [f"    {text}" for text in (*row.tests, row.note, row.why, row.gap, row.pending) if text]
    return "\n".join(lines)


if __name__ == "__main__":
    asked = sys.argv[1:]
    print("\n".join(chapter(read(), name) for name in asked) if asked else summary(read()))
