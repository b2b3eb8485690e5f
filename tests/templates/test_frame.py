"""The frame, the error pages, the fragments and the headers, as a browser and htmx receive them."""

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient

from csss.web.headers import CSP

HTMX = {"HX-Request": "true"}


def soup(text: str) -> BeautifulSoup:
    return BeautifulSoup(text, "html.parser")


def test_a_page_has_title_language_skip_link_and_places_for_messages(shell: FlaskClient) -> None:
    page = soup(shell.get("/review").text)
    assert page.title and page.title.get_text() == "Review · CSSS"
    assert page.html and page.html["lang"] == "en"
    skip = page.select_one("a.skip-link")
    assert skip and page.select_one(str(skip["href"])) is page.main
    assert page.select_one("#page-message[role=alert]")
    assert page.select_one("#messages[role=status]")
    assert page.select_one("meta[name=htmx-config]")


def test_a_visitor_gets_sign_in_and_no_navigation(shell: FlaskClient) -> None:
    page = soup(shell.get("/review").text)
    assert [link["href"] for link in page.select(".account-nav a")] == ["/login", "/register"]
    assert not page.select(".main-nav") and not page.select("form[action='/logout']")


def test_a_person_signed_in_gets_navigation_and_a_form_to_sign_out(shell: FlaskClient) -> None:
    page = soup(shell.get("/in", follow_redirects=True).text)
    current = page.select_one(".main-nav [aria-current=page]")
    assert current and current.get_text(" ", strip=True) == "Queue"
    assert page.select_one("form[method=post][action='/logout'] input[name=csrf_token]")
    assert "Dr &lt;Test&gt;" in str(page.select_one(".account-nav"))
    assert "Welcome &lt;b&gt;back&lt;/b&gt;." in str(page.select_one("#messages"))


def test_page_and_fragment_of_one_address(shell: FlaskClient) -> None:
    page, fragment = shell.get("/review"), shell.get("/review", headers=HTMX)
    assert "<html" in page.text and "<html" not in fragment.text
    assert [tag.name for tag in soup(fragment.text).find_all(recursive=False)] == ["form"]
    assert "HX-Request" in page.vary and "HX-Request" in fragment.vary


def test_flashed_messages_travel_with_the_fragment(shell: FlaskClient) -> None:
    shell.get("/in")
    fragment = soup(shell.get("/review", headers=HTMX).text)
    partial = fragment.select_one("hx-partial[hx-target='#messages']")
    assert partial and "Welcome <b>back</b>." in partial.get_text()


def test_redirect_after_success(shell: FlaskClient) -> None:
    plain, htmx = shell.get("/in"), shell.get("/in", headers=HTMX)
    assert (plain.status_code, plain.location) == (303, "/review")
    assert (htmx.status_code, htmx.headers["HX-Redirect"], htmx.data) == (204, "/review", b"")


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 409, 413, 422, 429, 500, 503])
def test_every_error_has_a_page_and_a_fragment(shell: FlaskClient, code: int) -> None:
    answer = shell.get(f"/fail/{code}")
    page = soup(answer.text)
    assert answer.status_code == code
    assert page.title and page.h1 and page.title.get_text() == f"{page.h1.get_text()} · CSSS"
    assert page.select_one("a[href='/']")
    assert answer.headers["X-Request-ID"] in page.get_text()
    fragment = shell.get(f"/fail/{code}", headers=HTMX)
    assert fragment.status_code == code and "<html" not in fragment.text
    assert soup(fragment.text).select_one("[data-page-message]")


def test_a_route_may_say_more_than_the_standard_sentence(shell: FlaskClient) -> None:
    assert "Dr Lee verified this scan at 10:42." in shell.get("/fail/409").text


def test_no_exception_text_reaches_the_page(shell: FlaskClient) -> None:
    assert "broken on purpose" not in shell.get("/fail/500").text


def test_a_form_without_its_token_is_answered_in_plain_words(shell: FlaskClient) -> None:
    answer = shell.post("/review")
    assert answer.status_code == 400 and "This form is out of date" in answer.text


def test_wrong_method_keeps_the_allow_header(shell: FlaskClient) -> None:
    answer = shell.delete("/review")
    assert answer.status_code == 405 and "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/review", "/fail/404", "/fail/500", "/nowhere"])
def test_security_headers_are_on_every_answer(shell: FlaskClient, path: str) -> None:
    headers = shell.get(path).headers
    assert headers["Content-Security-Policy"] == CSP
    assert "unsafe" not in CSP and CSP.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Permissions-Policy"].startswith("camera=(self), publickey-credentials-create=(self), ")
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in headers


def test_hsts_when_the_site_is_reached_by_https(shell: FlaskClient) -> None:
    assert "Strict-Transport-Security" in shell.get("/review", base_url="https://csss.example").headers
