"""What every paged list needs: which page is asked for, and the addresses of its neighbours."""

from dataclasses import dataclass

from flask import request, url_for

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
    """The page that is asked for; whatever is no number means the first."""
    return min(max(1, request.args.get("page", 1, type=int)), LAST_PAGE)


def pager(*, number: int, size: int, shown: int, total: int) -> Pager:
    """Page `number` (from 1) of a list of `total` rows, `size` a page, of which `shown` are on this one."""
    before = (number - 1) * size
    pages = max(1, -(-total // size))
    return Pager(
        first=before + 1 if shown else 0,
        last=before + shown,
        total=total,
        previous_url=_url(min(number - 1, pages)) if number > 1 else None,
        next_url=_url(number + 1) if number < pages else None,
    )


def _url(number: int) -> str:
    """The address of this list with everything that is filtered and sorted by, at another page."""
    wanted = {name: value for name, value in request.args.items() if value and name != "page"}
    if number > 1:
        wanted["page"] = str(number)
    return url_for(str(request.endpoint), **wanted)
