"""What a page has told a person, words included that stood there only for a moment."""

from collections.abc import Callable

from playwright.sync_api import Page

_WATCH = """selector => {
  let last = "";
  const note = () => {
    const text = document.querySelector(selector)?.textContent.trim() ?? "";
    if (text && text !== last) window.csssTold(text);
    last = text;
  };
  note();
  new MutationObserver(note).observe(document, { subtree: true, childList: true, characterData: true });
}"""


def told(page: Page, selector: str, hear: Callable[[str], object]) -> None:
    """`hear` is called with every text that this region of the page has from now on, in order, until the page is left:
    an assertion that polls would miss what comes and goes between two looks."""
    page.expose_function("csssTold", hear)
    page.evaluate(_WATCH, selector)
