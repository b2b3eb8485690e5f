"""What a row of the table of tasks is (test_tasks.py)."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.browser.hands import Hand, Keyboard
from tests.browser.scene import Scene


@dataclass(frozen=True)
class Task:
    """`asks` are the addresses that are asked for on the way, `GET` unless said otherwise; `script` those asked for only
    where scripts run, `plain` those only where none run; `needs_script` says why a task cannot do without."""

    words: str
    walk: Callable[[Scene], None]
    asks: str
    script: str = ""
    plain: str = ""
    needs_script: str = ""

    def addresses(self, hand: type[Hand]) -> set[str]:
        found, method = set(), "GET"
        for word in f"{self.asks} {self.script if hand is Keyboard else self.plain}".split():
            if word.isupper():
                method = word
            else:
                found.add(f"{method} {word}")
                method = "GET"
        return found
