"""Two ways of doing a task on a page: by keyboard alone, and in a browser without JavaScript.

A walk says what a person does, in the words that stand on the page; the hand does it. `Keyboard` has nothing but keys: what
Tab does not lead to, or what does not show that it has the focus, fails. `Plain` runs no script, so every step has to be
a link or a form.
"""

import re
import time
from datetime import date
from pathlib import Path

from playwright.sync_api import Error, Locator, Page, Response, expect

Words = str | re.Pattern[str]

# How many times Tab (or, below zero, Shift+Tab) is pressed from the focus to what is wanted, as far as the page shows; None
# when it has the focus. Of a group of radio buttons Tab leads to one, and the arrows go on.
_STEPS = """target => {
  const active = document.activeElement;
  const alike = (one, other) => one === other
    || (one.type === "radio" && other.type === "radio" && one.name === other.name && one.form === other.form);
  if (alike(active, target)) return null;
  if (active === document.body) return 1;
  const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")];
  const open = (each) => each.tabIndex >= 0 && !each.disabled && each.checkVisibility({ visibilityProperty: true });
  const stops = all.filter((each, at) => open(each)
    && !all.slice(0, at).some((before) => before.type === "radio" && alike(before, each)));
  const place = (element) => stops.findIndex((each) => alike(each, element));
  const back = active.compareDocumentPosition(target) & Node.DOCUMENT_POSITION_PRECEDING;
  const far = place(active) < 0 || place(target) < 0 ? 1 : Math.abs(place(target) - place(active));
  return back ? -far : far;
}"""
# What is wrong with how the focus shows: no ring, or something lies over all of it (WCAG 2.4.7 and 2.4.11).
_RING = """() => {
  const active = document.activeElement, ring = getComputedStyle(active), box = active.getBoundingClientRect();
  if (!active.matches(":focus-visible")) return "is not shown as focused";
  const clear = ring.outlineColor.match(/rgba\\(.*, 0\\)/);
  if (ring.outlineStyle === "none" || parseFloat(ring.outlineWidth) < 2 || clear) return "has no ring";
  if (box.width < 5 || box.height < 5) return "is too small to be seen";
  const there = [.5, .1, .9].flatMap((x) => [.5, .1, .9].map((y) => [box.x + x * box.width, box.y + y * box.height]));
  const seen = there.some(([x, y]) => {
    const hit = document.elementFromPoint(x, y);
    return hit && (active.contains(hit) || [...(active.labels || [])].some((label) => label.contains(hit)));
  });
  return seen ? "" : "is out of sight";
}"""


def named(words: Words) -> re.Pattern[str]:
    """The whole name, apart from the words for what may be left out."""
    if isinstance(words, re.Pattern):
        return words
    return re.compile(rf"^\s*{re.escape(words)}(\s*\(optional\))?\s*$")


class Hand:
    """Somebody's hand on a page. `within` narrows the search to a part of the page, where names stand more than once."""

    def __init__(self, page: Page) -> None:
        self.page = page

    # What is meant

    def _scope(self, within: str) -> Locator:
        return self.page.locator(within or "body")

    def button(self, words: Words, within: str = "") -> Locator:
        return self._scope(within).get_by_role("button", name=named(words))

    def link(self, words: Words, within: str = "") -> Locator:
        return self._scope(within).get_by_role("link", name=named(words))

    def fold(self, words: Words, within: str = "") -> Locator:
        return self._scope(within).locator("summary").filter(has_text=named(words))

    def field(self, words: Words, within: str = "") -> Locator:
        fields = self._scope(within).locator("input, textarea, select")
        return self._scope(within).get_by_label(named(words)).and_(fields)

    # What is done

    def open(self, address: str) -> None:
        """Type an address. The page that the last step leads to may still be on its way, and take the place of this one."""
        try:
            self.page.goto(address)
        except Error as error:
            if (
                "ERR_ABORTED" not in error.message
                and "interrupted by another navigation" not in error.message
            ):
                raise
            self.page.wait_for_load_state()
            self.page.goto(address)

    def press(self, words: Words, within: str = "") -> None:
        self.act(self.button(words, within))

    def follow(self, words: Words, within: str = "") -> None:
        self.act(self.link(words, within))

    def unfold(self, words: Words, within: str = "") -> None:
        """Open what is folded away."""
        fold = self.fold(words, within)
        if fold.locator("..").get_attribute("open") is None:
            self.act(fold)

    def fetch(self, target: Locator, address: str) -> Response:
        """Press what leads to a file, look at the answer, and come back: the file may have opened in place of the page, in
        a window of its own, or been put away."""
        expect(target).to_have_count(1)  # on the page that the last step has led to
        here, wanted = self.page.url, re.compile(address)
        with self.page.context.expect_event(
            "response", lambda answer: bool(wanted.search(answer.url))
        ) as got:
            self.act(target)
        answer: Response = got.value
        assert answer.status == 200, f"{answer.url} answered {answer.status}"
        for other in self.page.context.pages:
            if other is not self.page:
                other.close()
        self.page.wait_for_timeout(300)
        if self.page.url != here:
            self.page.goto(here)
        return answer

    def act(self, target: Locator) -> None:
        raise NotImplementedError

    def write(self, words: Words, text: str, within: str = "") -> None:
        raise NotImplementedError

    def write_day(self, words: Words, day: date, within: str = "") -> None:
        raise NotImplementedError

    def choose(self, words: Words, within: str = "") -> None:
        """One of several radio buttons."""
        raise NotImplementedError

    def tick(self, words: Words, within: str = "") -> None:
        raise NotImplementedError

    def pick(self, words: Words, option: str, within: str = "") -> None:
        """One line of a drop-down list."""
        raise NotImplementedError

    def give(self, words: Words, file: Path, within: str = "") -> None:
        raise NotImplementedError


class Keyboard(Hand):
    """Keys only: Tab and Shift+Tab, the arrows, Enter, Space, letters."""

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        # Listened to from the beginning: only then does Chromium hand the dialogue over, and the key would be too early.
        page.on("filechooser", lambda _: None)

    def reach(self, target: Locator) -> None:
        """Go to `target` with Tab, or with Shift+Tab where it stands before the focus."""
        expect(target).to_have_count(1)
        turns, last = 0, 0
        for _ in range(100):
            steps = target.evaluate(_STEPS)
            if steps is None:
                if not (problem := self._ring_problem(target)):
                    return
                assert target.evaluate(_STEPS) is not None, f"{target} {problem}"
                continue  # the page was replaced meanwhile, and the focus with it
            turns += steps * last < 0
            assert turns < 3, f"Tab passes over {target}"
            last = steps
            for _ in range(abs(steps)):
                self.page.keyboard.press("Tab" if steps > 0 else "Shift+Tab")
        raise AssertionError(f"{target} cannot be reached with the Tab key")

    def _ring_problem(self, target: Locator) -> str:
        """What is still wrong with how the focus shows after a while; a page that is being replaced may not show it yet."""
        deadline = time.monotonic() + 10
        while problem := str(self.page.evaluate(_RING)):
            if time.monotonic() > deadline or target.evaluate(_STEPS) is not None:
                break
            self.page.wait_for_timeout(50)
        return problem

    def act(self, target: Locator) -> None:
        for _ in range(5):
            self.reach(target)
            if target.evaluate(_STEPS) is None:
                break  # else an answer that came late has replaced this part of the page, and the focus with it
        expect(target).to_be_focused()
        # Unlike `page.keyboard` it waits for the page that this leads to: else the next step would begin on the old one, if
        # a field is called the same there.
        target.press("Enter")

    def write(self, words: Words, text: str, within: str = "") -> None:
        self.reach(self.field(words, within))
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(text)
        expect(self.field(words, within)).to_have_value(text)

    def write_day(self, words: Words, day: date, within: str = "") -> None:
        self.reach(self.field(words, within))
        self.page.keyboard.type(f"{day:%m%d%Y}")
        expect(self.field(words, within)).to_have_value(day.isoformat())

    def choose(self, words: Words, within: str = "") -> None:
        radio = self.field(words, within)
        self.reach(radio)
        self.page.keyboard.press("Space")
        for _ in range(12):
            if radio.is_checked():
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"{words} cannot be chosen with the arrow keys")

    def tick(self, words: Words, within: str = "") -> None:
        box = self.field(words, within)
        self.reach(box)
        self.page.keyboard.press("Space")
        expect(box).to_be_checked()

    def pick(self, words: Words, option: str, within: str = "") -> None:
        """With the arrows: letters would do, but a blank that comes late opens the list."""
        listed = self.field(words, within)
        self.reach(listed)
        wanted = [each.strip() for each in listed.locator("option").all_inner_texts()].index(option)
        self.page.keyboard.press("Home")
        for _ in range(wanted):
            self.page.keyboard.press("ArrowDown")
        expect(listed.locator("option:checked")).to_have_text(re.compile(rf"^\s*{re.escape(option)}\s*$"))

    def give(self, words: Words, file: Path, within: str = "") -> None:
        self.reach(self.field(words, within))
        with self.page.expect_file_chooser() as chooser:
            self.page.keyboard.press("Space")
        chooser.value.set_files(file)
        preview = self.page.locator("[data-upload-preview] img")
        if preview.count():  # what stands below it moves once it has been read
            expect(preview).not_to_have_js_property("naturalWidth", 0)


class Plain(Hand):
    """A browser that runs no script."""

    def act(self, target: Locator) -> None:
        target.click()

    def write(self, words: Words, text: str, within: str = "") -> None:
        self.field(words, within).fill(text)

    def write_day(self, words: Words, day: date, within: str = "") -> None:
        self.field(words, within).fill(day.isoformat())

    def choose(self, words: Words, within: str = "") -> None:
        self.field(words, within).check()

    def tick(self, words: Words, within: str = "") -> None:
        self.field(words, within).check()

    def pick(self, words: Words, option: str, within: str = "") -> None:
        self.field(words, within).select_option(label=option)

    def give(self, words: Words, file: Path, within: str = "") -> None:
        self.field(words, within).set_input_files(file)
