"""Split a list into pages. There is always a page to show: past the end it is the last one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, func

from csss.database import db

Row = TypeVar("Row")
Other = TypeVar("Other")


@dataclass(frozen=True)
class ListPage(Generic[Row]):
    """One page of a list: its rows, its number (from 1), and how many rows the list has in all and a page at most."""

    rows: Sequence[Row]
    number: int
    total: int
    size: int

    @property
    def last(self) -> int:
        """The number of the last page; an empty list has one, too."""
        return last_page(self.total, self.size)

    def with_rows(self, rows: Sequence[Other]) -> "ListPage[Other]":
        """The same page, when its rows were looked up by what the list gave first: their ids."""
        return ListPage(rows, self.number, self.total, self.size)


def last_page(total: int, size: int) -> int:
    return max(1, -(-total // size))


def place(asked: int, total: int, size: int) -> tuple[int, int]:
    """The number of the requested page, or else of the nearest one (the last page may have become empty meanwhile), and
    the number of rows before it."""
    number = min(max(1, asked), last_page(total, size))
    return number, (number - 1) * size


def page_of(
    query: Select[Row], asked: int, size: int, values: Mapping[str, Any] | None = None
) -> ListPage[Row]:
    """The page of what `query` finds, in its order; `values` are those of its parameters."""
    counted = query.with_only_columns(func.count(), maintain_column_froms=True).order_by(None)
    total: int = db.session.scalar(counted, values) or 0
    number, skip = place(asked, total, size)
    return ListPage(db.session.scalars(query.limit(size).offset(skip), values).all(), number, total, size)
