"""Helpers for every paged list: the requested page, and the addresses of its neighbours."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import request, url_for

from csss.paging import ListPage

LAST_PAGE = 1_000_000  # a larger number is a typing error, and too large for a database


@dataclass(frozen=True)
class Pager:
    """What `pagination` in components/data_table.html shows. `first` and `last` count from 1; 0 when empty."""

    first: int
    last: int
    total: int
    previous_url: str | None
    next_url: str | None


def page_number() -> int:
    """The number of the requested page; the first when it is no number."""
    return min(max(1, request.args.get("page", 1, type=int)), LAST_PAGE)


def pager(page: ListPage[Any], endpoint: str = "") -> Pager:
    """The values for `pagination`. `endpoint` is the list's own, for a list that another address also shows (after a
    refused form).
    """
    endpoint = endpoint or str(request.endpoint)
    before = (page.number - 1) * page.size
    return Pager(
        first=before + 1 if page.rows else 0,
        last=before + len(page.rows),
        total=page.total,
        previous_url=_url(endpoint, page.number - 1) if page.number > 1 else None,
        next_url=_url(endpoint, page.number + 1) if page.number < page.last else None,
    )


def filters(*, but: str = "page") -> dict[str, str]:
    """The list's filters and sorting, from its address."""
    return {name: value for name, value in request.args.items() if value and name != but}


def query_string() -> str:
    """The list's filters and sorting, to be appended to another address: `?role=doctor`, or blank."""
    wanted = filters(but="")
    return f"?{urlencode(wanted)}" if wanted else ""


def list_url(endpoint: str, wanted: dict[str, str]) -> str:
    """The address of a list, filtered as `wanted`.

    Not by url_for alone: it gives some names a meaning of their own, and these come from the visitor.
    """
    return f"{url_for(endpoint)}?{urlencode(wanted)}" if wanted else url_for(endpoint)


def _url(endpoint: str, number: int) -> str:
    return list_url(endpoint, filters() | ({"page": str(number)} if number > 1 else {}))
