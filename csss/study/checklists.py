"""The reporting guidelines CLAIM 2024, STARD-AI and DECIDE-AI, and where the report answers each item."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("checklists.en.toml")


@dataclass(frozen=True)
class ChecklistItem:
    number: str
    item: str
    where: tuple[str, ...]


@dataclass(frozen=True)
class Checklist:
    id: str
    name: str
    about: str
    items: tuple[ChecklistItem, ...]

    @property
    def left_to_the_hospital(self) -> int:
        """Items that nothing but the hospital's own words can answer."""
        return sum(each.where == ("hospital",) for each in self.items)


@cache
def checklists() -> tuple[Checklist, ...]:
    written = tomllib.loads(FILE.read_text("utf-8"))
    return tuple(
        Checklist(
            each["id"],
            each["name"],
            each["about"],
            tuple(ChecklistItem(number, item, tuple(where)) for number, item, where in each["items"]),
        )
        for each in written["checklist"]
    )
