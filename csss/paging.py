"""Calculate where a page of a list begins. There is always a page to show: past the end it is the last one."""

from typing import NamedTuple


class Place(NamedTuple):
    """An existing page, counted from 1, and the number of rows before it."""

    number: int
    skip: int


def last_page(total: int, size: int) -> int:
    """The number of the last page; an empty list has one page."""
    return max(1, -(-total // size))


def place(asked: int, total: int, size: int) -> Place:
    """The requested page, or else the nearest one: the last page may have become empty meanwhile."""
    number = min(max(1, asked), last_page(total, size))
    return Place(number, (number - 1) * size)
