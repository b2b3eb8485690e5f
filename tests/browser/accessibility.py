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
    return _found(page, only or {"runOnly": WCAG})


def new_violations(page: Page, seen: "Seen") -> list[str]:
    """Like `violations`, in every choice of colours, as far as the page shows something that has not been `seen`."""
    seen.look_at(page)
    if not seen.anything_new:
        return []
    found = _found(page, {"runOnly": WCAG, "rules": {"color-contrast": {"enabled": False}}})
    found += _found(page, CONTRAST, seen.new_texts)
    page.emulate_media(color_scheme="dark")
    found += _found(page, CONTRAST, seen.new_texts)
    page.evaluate("document.documentElement.dataset.theme = 'contrast'")
    return found + _found(page, CONTRAST, seen.new_texts)


def _found(page: Page, options: dict[str, object], among: list[int] | None = None) -> list[str]:
    """What axe finds on the page, or in the elements `among` that `Seen` has named there."""
    if among == []:
        return []
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    page.evaluate(_UNSTICK)
    found = page.evaluate(
        """async ([options, among]) => (await axe.run(
        among ? { include: among.map((each) => window.csssLooks[each]) } : document, options)).violations""",
        [{**options, "resultTypes": ["violations"]}, among],
    )
    return [f"{page.url} {each['id']} {each['nodes'][0]['html'][:140]}" for each in found]


# What axe judges an element by: its own classes and attributes, and, for its colours, the classes of everything around.
# Of attributes whose values are of one scan, one person or one moment only the name counts.
_LOOKS = """([states, named]) => {
  window.csssLooks = [...document.querySelectorAll("body, body *")];
  const inside = new Map();
  return window.csssLooks.map((each) => {
    const look = [each.localName, ...each.classList, ...states.map((name) => each.getAttribute(name))];
    const path = [...(inside.get(each.parentElement) || []), look];
    inside.set(each, path);
    const attributes = each.getAttributeNames().filter((name) => !states.includes(name))
      .map((name) => named.includes(name) && !each.getAttribute(name)?.trim() ? `${name} is empty` : name).sort();
    const text = ["input", "select", "textarea"].includes(each.localName)
      || [...each.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    return JSON.stringify([path, attributes, Boolean(text)]);
  });
}"""
_STATES = [
    "type",
    "role",
    "disabled",
    "hidden",
    "open",
    "lang",
    "tabindex",
    "aria-current",
    "aria-invalid",
    "aria-hidden",
]
_NAMED = ["alt", "title", "aria-label", "aria-labelledby", "aria-describedby", "for", "href", "id"]


class Seen:
    """The looks of elements on the pages so far: one scan's page resembles another's."""

    def __init__(self) -> None:
        self._looks = set[str]()
        self.anything_new = False
        self.new_texts: list[int] = []

    def look_at(self, page: Page) -> None:
        looks: list[str] = page.evaluate(_LOOKS, [_STATES, _NAMED])
        new = {look: place for place, look in reversed(list(enumerate(looks))) if look not in self._looks}
        self._looks.update(new)
        self.anything_new = bool(new)
        self.new_texts = sorted(place for look, place in new.items() if look.endswith("true]"))


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
