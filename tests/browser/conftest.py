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


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """A page in a browser of its own (own cookies). Any message of the content security policy, and any error in a
    script, fails the test."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def watch(message: ConsoleMessage) -> None:
        if message.type == "error" and not re.search(r"status of (401|403|404|409|422)", message.text):
            problems.append(message.text)

    def make(stack: Stack, *, javascript: bool = True, width: int = 1280, may_break: bool = False) -> Page:
        context = browser.new_context(
            base_url=stack.url,
            java_script_enabled=javascript,
            viewport={"width": width, "height": 900},
            accept_downloads=True,
            service_workers="block",  # it has tests of its own (test_installable.py)
        )
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda told: None if may_break and "net::ERR_" in told.text else watch(told))
        page.on("pageerror", lambda error: problems.append(str(error)))
        return page

    yield make
    for context in contexts:
        close(context)
    assert not problems, problems


def close(context: BrowserContext, seconds: float = 15) -> None:
    """Wait for the end of it only so long: once in some hundred times Chromium never says that a context is closed.

    All that the test has to say has been said by then; the end of the browser takes the rest along. Whoever broke off
    `context.close()` itself would break Playwright's loop, and the next test with it.
    """

    async def closed() -> bool:
        closing = asyncio.ensure_future(context._impl_obj.close(reason=None))
        done, _ = await asyncio.wait({closing}, timeout=seconds)
        return bool(done)

    if not context._sync(closed()):
        warnings.warn("Chromium did not close a page", stacklevel=1)
