"""Where a page of a list begins. There is always a page to show: past the end it is the last one."""

from typing import NamedTuple


class Place(NamedTuple):
    """A page that there is, counted from 1, and how many rows stand before it."""

    number: int
    skip: int


def last_page(total: int, size: int) -> int:
    """The number of the last page; an empty list has one, too."""
    return max(1, -(-total // size))


def place(asked: int, total: int, size: int) -> Place:
    """The page that is asked for, or else the nearest one: somebody may have emptied the last page meanwhile."""
    number = min(max(1, asked), last_page(total, size))
    return Place(number, (number - 1) * size)
