"""A doctor writes a first impression before the classifier speaks, by keyboard alone and with JavaScript off."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.hands import Hand, Keyboard, Plain
from tests.browser.scene import Scene
from tests.browser.walks import doctor
from tests.stack import Stack, running_stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser, first impression")]


@pytest.fixture(scope="module")
def discreet_stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("discreet"), classifier_shown="after_reading") as stack:
        yield stack


@pytest.mark.parametrize("hand", [Keyboard, Plain], ids=["by_keyboard_alone", "without_javascript"])
def test_the_answer_comes_after_the_first_impression(
    discreet_stack: Stack, new_page: Callable[..., Page], tmp_path: Path, hand: type[Hand]
) -> None:
    page = new_page(discreet_stack, javascript=hand is Keyboard)
    scene = Scene(discreet_stack, page, hand(page), tmp_path)
    doctor.write_a_first_impression(scene)
    scene.has_asked_for({"POST doctor.reveal", "GET files.heatmap", "POST doctor.verify"})
