"""Every HTML page that each role can open, opened once for all rules that only look."""

from collections.abc import Iterator

from bs4 import BeautifulSoup

from tests.rules.routes import WHO, methods, rules
from tests.rules.site import Site


def answers(site: Site, role: str | None, *, htmx: bool = False) -> list[tuple[str, BeautifulSoup]]:
    """Every HTML page (or fragment) that this role can open, with a name to say where something is wrong.

    Opened once and kept: opening changes nothing (test_get_writes_nothing.py).
    """
    kept = site.opened.get((role, htmx))
    if kept is None:
        kept = site.opened[role, htmx] = list(_open(site, role, {"HX-Request": "true"} if htmx else {}))
    return kept


def _open(site: Site, role: str | None, headers: dict[str, str]) -> Iterator[tuple[str, BeautifulSoup]]:
    visitor = site.visitor(role)
    for rule in rules(site.app):
        if "GET" not in methods(rule) or role not in WHO[rule.endpoint] or rule.rule.endswith(".pdf"):
            continue
        for about, address in site.addresses(rule).items():
            response = visitor.get(address, headers=headers)
            if response.mimetype == "text/html" and response.status_code in {200, 404, 409}:
                html = BeautifulSoup(response.get_data(as_text=True), "html.parser")
                yield f"{rule.endpoint} ({about or 'as it is'})", html
