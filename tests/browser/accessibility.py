"""What axe finds on a page, and what of it lies beyond its edge."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

WCAG = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]
CONTRAST: dict[str, object] = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}

# Buttons that stay at the foot of a scrolling column cover what scrolls under them. axe takes the part that is left for the
# whole target, so it judges the page with these buttons in their place in the column.
_UNSTICK = """() => document.querySelectorAll(".form-end").forEach((each) =>
  each.style.setProperty("position", "static", "important"))"""


def violations(page: Page, *, only: dict[str, object] | None = None) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    page.evaluate(_UNSTICK)
    options = {**(only or {"runOnly": WCAG}), "resultTypes": ["violations"]}
    found = page.evaluate("async (options) => (await axe.run(document, options)).violations", options)
    return [f"{page.url} {each['id']} {each['nodes'][0]['html'][:140]}" for each in found]


# What gives an element its colours: its own classes and states, and those of everything around it.
_LOOKS = """(states) => [...new Set([...document.querySelectorAll("body *")].map((each) => {
  const path = [];
  for (let at = each; at; at = at.parentElement) {
    path.push([at.localName, ...at.classList, ...states.map((name) => at.getAttribute(name))]);
  }
  return JSON.stringify(path);
}))]"""
_STATES = ["type", "disabled", "hidden", "open", "aria-current", "aria-invalid"]


def has_new_looks(page: Page, seen: set[str]) -> bool:
    """Whether anything on the page could have colours that were not seen before: one scan's page resembles another's."""
    looks = set(page.evaluate(_LOOKS, _STATES))
    new = not looks <= seen
    seen |= looks
    return new


def sideways(page: Page) -> int:
    """How many pixels of the page lie beyond its right edge."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def widest(page: Page) -> str:
    """The innermost element that reaches farthest to the right, to be named in the message of a failed test."""
    return str(
        page.evaluate(
            """() => { let far = 0, found; for (const each of document.querySelectorAll("main *")) {
            const { right } = each.getBoundingClientRect(); if (right >= far) { far = right; found = each; } }
            return `${found.outerHTML.slice(0, 160)} in ${found.parentElement.className}, ${Math.round(far)} px`; }"""
        )
    )
