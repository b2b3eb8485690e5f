"""Choosing the colours without JavaScript: the cookie is the same that the switch at the top of the page keeps."""

import pytest
from flask import Flask

from tests.factories import Clinic
from tests.visitor import Visitor, words


@pytest.mark.parametrize("theme", ["auto", "light", "dark", "contrast"])
def test_the_chosen_colours_are_those_of_every_page(nobody: Visitor, theme: str) -> None:
    assert nobody.post("/colours", {"theme": theme}).status_code == 303
    page = nobody.page("/colours")
    assert "These colours are kept on this device" in page.get_text()
    assert [each["value"] for each in page.select("main [name=theme][checked]")] == [theme]
    assert f'data-theme="{theme}"' in nobody.get("/login").get_data(as_text=True)


def test_scripts_can_change_the_cookie_and_it_says_nothing_about_the_person(nobody: Visitor) -> None:
    kept = nobody.post("/colours", {"theme": "dark"}).headers.getlist("Set-Cookie")
    (cookie,) = [each for each in kept if each.startswith("theme=")]
    assert cookie.startswith("theme=dark;") and "SameSite=Lax" in cookie and "Path=/" in cookie
    assert "HttpOnly" not in cookie and "Secure" not in cookie


@pytest.mark.parametrize("settings", [{"base_url": "https://csss.example"}], indirect=True)
def test_over_https_the_cookie_is_secure(app: Flask) -> None:
    visitor = Visitor(app)
    kept = visitor.post("/colours", {"theme": "dark"}).headers.getlist("Set-Cookie")
    assert any(each.startswith("theme=dark;") and "Secure" in each for each in kept)


def test_what_is_no_colour_is_refused_beside_the_field(nobody: Visitor) -> None:
    answer = nobody.post("/colours", {"theme": "pink"})
    assert answer.status_code == 422
    assert "Choose one of these" in words(answer)
    assert not [each for each in answer.headers.getlist("Set-Cookie") if each.startswith("theme=")]


def test_the_account_page_has_the_choice_too_and_keeps_people_there(clinic: Clinic) -> None:
    doctor = clinic.visitor(clinic.person("doctor"))
    form = doctor.page("/account").select_one("#colours-card form")
    assert form["action"] == "/colours"
    assert [each["value"] for each in form.select("[name=theme][checked]")] == ["auto"]
    section = form.select_one("[name=section]")["value"]
    answer = doctor.post("/colours", {"theme": "contrast", "section": section})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
    chosen = doctor.page("/account").select("#colours-card [name=theme][checked]")
    assert [each["value"] for each in chosen] == ["contrast"]
