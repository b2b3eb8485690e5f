"""A real Chromium against the real stack."""

import asyncio
import re
import warnings
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.browser.ward import furnish
from tests.postgres import POSTGRES
from tests.stack import Stack, postgres_database, running_stack

# A change takes its two seconds to reach an open page, and a machine that is busy with the other tests takes its own.
expect.set_options(timeout=30_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A stack may take its time to start on a slow machine, and each wait says by itself what did not come."""
    for item in items:
        if item.get_closest_marker("browser") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """On SQLite, as it comes."""
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture(scope="session")
def postgres_stack(
    browser: Browser, migrated_postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    with (
        postgres_database(POSTGRES) as url,
        running_stack(tmp_path_factory.mktemp("pgstack"), database_url=url) as stack,
    ):
        yield stack


@pytest.fixture(scope="session")
def ward(stack: Stack) -> dict[str, tuple[str, list[str]]]:
    return furnish(stack)


class Contexts:
    """Chromium's contexts, lent to one test after the other: what a context has loaded and compiled need not be loaded again
    for each test. Whoever gets one finds no cookies and no page in it; nothing else of ours is kept in a browser."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._idle: dict[tuple[str, bool, int], list[BrowserContext]] = {}
        self._lent: list[tuple[tuple[str, bool, int], BrowserContext]] = []

    def lend(self, url: str, javascript: bool, width: int) -> BrowserContext:
        key = (url, javascript, width)
        idle = self._idle.setdefault(key, [])
        context = idle.pop() if idle else self._made(*key)
        self._lent.append((key, context))
        return context

    def _made(self, url: str, javascript: bool, width: int) -> BrowserContext:
        context = self._browser.new_context(
            base_url=url,
            java_script_enabled=javascript,
            viewport={"width": width, "height": 900},
            accept_downloads=True,
            service_workers="block",  # it has tests of its own (test_installable.py)
        )
        context.set_default_timeout(30_000)
        return context

    def take_back(self) -> None:
        for key, context in self._lent:
            closed = [close(page) for page in context.pages]
            if all(closed):
                context.clear_cookies()
                self._idle[key].append(context)
        self._lent.clear()


@pytest.fixture(scope="session")
def contexts(browser: Browser) -> Contexts:
    return Contexts(browser)


@pytest.fixture
def new_page(contexts: Contexts) -> Iterator[Callable[..., Page]]:
    """A page in a browser of its own (own cookies). Any message of the content security policy, and any error in a
    script, fails the test."""
    problems: list[str] = []

    def watch(message: ConsoleMessage) -> None:
        if message.type == "error" and not re.search(r"status of (401|403|404|409|422)", message.text):
            problems.append(message.text)

    def make(stack: Stack, *, javascript: bool = True, width: int = 1280, may_break: bool = False) -> Page:
        page = contexts.lend(stack.url, javascript, width).new_page()
        page.on("console", lambda told: None if may_break and "net::ERR_" in told.text else watch(told))
        page.on("pageerror", lambda error: problems.append(str(error)))
        return page

    yield make
    contexts.take_back()
    assert not problems, problems


def close(what: BrowserContext | Page, seconds: float = 15) -> bool:
    """Wait for the end of it only so long: once in some hundred times Chromium never says that something is closed.

    All that the test has to say has been said by then; the end of the browser takes the rest along. Whoever broke off
    `close()` itself would break Playwright's loop, and the next test with it.
    """

    more = {"run_before_unload": False} if isinstance(what, Page) else {}

    async def closed() -> bool:
        closing = asyncio.ensure_future(what._impl_obj.close(reason=None, **more))
        done, _ = await asyncio.wait({closing}, timeout=seconds)
        return bool(done)

    if not (done := what._sync(closed())):
        warnings.warn("Chromium did not close a page", stacklevel=1)
    return bool(done)
