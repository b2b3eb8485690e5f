"""An error of ours: people get a sentence and a number, the log gets the reason."""

import pytest
from flask import Flask

from tests.visitor import Visitor


@pytest.fixture
def broken_start_page(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise RuntimeError("SELECT password_hash FROM users")

    broken.permission = app.view_functions["auth.home"].permission  # type: ignore[attr-defined]
    monkeypatch.setitem(app.view_functions, "auth.home", broken)
    monkeypatch.setattr(app, "testing", False)
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)


@pytest.mark.usefixtures("broken_start_page")
def test_an_error_of_ours_is_told_without_its_insides(nobody: Visitor) -> None:
    """Whatever goes wrong: a sentence and a number, no name of a file, no statement, no value."""
    for headers in ({}, {"HX-Request": "true"}):
        answer = nobody.get("/", headers=headers)
        text = answer.get_data(as_text=True)
        assert answer.status_code == 500 and answer.headers["Cache-Control"] == "no-store"
        for inside in ("Traceback", "RuntimeError", "password_hash", ".py", "line "):
            assert inside not in text, inside


@pytest.mark.usefixtures("broken_start_page")
def test_an_error_of_ours_is_kept_in_the_log_with_the_number_that_people_see(
    nobody: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    answer = nobody.get("/")
    number = answer.headers["X-Request-ID"]
    assert answer.status_code == 500 and number in answer.get_data(as_text=True)
    assert number in caplog.text and "password_hash" in caplog.text
