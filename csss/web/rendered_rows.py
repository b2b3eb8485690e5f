"""What many people look at, such as the rows of lists: each is rendered once for all of them."""

from collections.abc import Hashable, Iterable

from flask import current_app
from markupsafe import Markup

from csss.i18n import language
from csss.remembered import remembered


def made_once(template: str, rows: Iterable[Hashable]) -> list[Markup]:
    """`template` for each of these rows, which it finds as `each`. It sees nothing else: no request, no session."""
    icons = current_app.extensions["csss_assets"].url("icons.svg")
    return [_made(template, row, language(), icons) for row in rows]


def same_for_all(template: str) -> Markup:
    """A part of a page that is the same on every page of its kind; for templates."""
    return made_once(template, [None])[0]


@remembered(4096)
def _made(template: str, row: Hashable, _language: str, _icons: str) -> Markup:
    html = current_app.jinja_env.get_template(template).render(each=row)
    return Markup(html)  # noqa: S704 - escaped by the template  # nosec B704
