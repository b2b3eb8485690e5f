"""The rows of a list as markup: rendered once for everybody who looks at them, and sent once to each page."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from flask import current_app, request
from markupsafe import Markup

from csss.caches import cached
from csss.i18n import language
from csss.web.live_region.refresh import digest

# The versions of the rows that the asking region has, in their order (static/js/live.js).
HAVE_HEADER = "X-CSSS-Have"


@dataclass(frozen=True)
class RenderedRow:
    """A row as markup (`{{ row }}` in a template), and a word that changes with what it shows."""

    html: Markup
    version: str

    def __html__(self) -> Markup:
        return self.html


def rendered_once(template: str, rows: Iterable[Hashable]) -> list[RenderedRow]:
    """`template` for each of these rows, which it finds as `each`, beside `version`.

    It must ask for nothing that belongs to a request or a session: others get the same row.
    """
    icons = current_app.extensions["csss_assets"].url("icons.svg")
    return [_rendered(template, row, language(), icons) for row in rows]


@cached(4096)
def _rendered(template: str, row: Hashable, _language: str, _icons: str) -> RenderedRow:
    version = digest(repr(row))[:8]
    html = current_app.jinja_env.get_template(template).render(each=row, version=version)
    return RenderedRow(Markup(html), version)  # noqa: S704 - escaped by the template  # nosec B704


def rows_to_send(rows: Sequence[RenderedRow]) -> list[Markup]:
    """The rows for the page that asks: for each row that the page has unchanged, an empty one with its place."""
    told = request.headers.get(HAVE_HEADER, "")
    had = {version: place for place, version in enumerate(told.split(","))}
    return [_same(had[row.version]) if row.version in had else row.html for row in rows]


def _same(place: int) -> Markup:
    return Markup(f'<tr data-same="{place}"></tr>')  # noqa: S704 - a number of ours  # nosec B704
