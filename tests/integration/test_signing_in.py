"""The start page, signing in with address and password, and signing out."""

import pytest
from sqlalchemy import select

from csss.audit.models import AuditEvent
from csss.database import db, transaction
from csss.people.models import AccountState
from tests.factories import PASSWORD, Clinic
from tests.integration.signing_in import sign_in
from tests.visitor import Visitor, soup, words

# The start page


def test_a_visitor_reads_what_this_is_and_finds_the_way_in(nobody: Visitor) -> None:
    page = nobody.page("/")
    assert "Hospital of the Tests" in page.main.get_text()  # type: ignore[union-attr]
    assert {"/login", "/register"} <= {link["href"] for link in page.select("main a")}


@pytest.mark.parametrize("role", ["patient", "doctor", "pharmacist", "admin"])
def test_the_start_page_is_the_queue_of_who_is_signed_in(clinic: Clinic, role: str) -> None:
    answer = clinic.visitor(clinic.person(role)).get("/")
    assert (answer.status_code, answer.location) == (302, f"/{role}/")


@pytest.mark.parametrize("address", ["/", "/login", "/register"])
def test_the_page_and_its_fragment_have_one_address(nobody: Visitor, address: str) -> None:
    page, fragment = nobody.get(address), nobody.fragment(address)
    assert "HX-Request" in page.vary and "HX-Request" in fragment.vary
    assert soup(fragment).html is None
    (root,) = soup(fragment).find_all(recursive=False)
    assert soup(page).select_one(f"main #{root['id']}")


# Signing in and out


@pytest.mark.parametrize("role", ["patient", "doctor", "pharmacist"])
def test_with_address_and_password_people_come_to_their_queue(
    clinic: Clinic, nobody: Visitor, role: str
) -> None:
    answer = sign_in(nobody, clinic.person(role))
    assert (answer.status_code, answer.location) == (303, f"/{role}/")
    assert nobody.get("/").location == f"/{role}/"


def test_the_address_may_be_typed_in_capitals_and_with_blanks(clinic: Clinic, nobody: Visitor) -> None:
    user = clinic.person("doctor")
    answer = nobody.post("/login", {"email": f" {user.email.upper()} ", "password": PASSWORD})
    assert answer.status_code == 303


@pytest.mark.parametrize("email", ["patient1@csss.example", "unknown@csss.example", "", "no address\0"])
def test_a_wrong_password_or_an_unknown_address_get_one_sentence(
    clinic: Clinic, nobody: Visitor, email: str
) -> None:
    clinic.person("patient")
    answer = nobody.post("/login", {"email": email, "password": "wrong password"})
    assert answer.status_code == 401
    assert "The e-mail address or the password is not right." in words(answer)
    page = soup(answer)
    assert page.select_one("input[name=email]").get("value", "") == email.strip("\0")  # type: ignore[union-attr]
    assert not page.select_one("input[name=password]").get("value")  # type: ignore[union-attr]
    assert db.session.scalars(select(AuditEvent).where(AuditEvent.action == "session.refused")).one()


def test_what_was_typed_comes_back_as_text(nobody: Visitor) -> None:
    answer = nobody.post("/login", {"email": '"><script>alert(1)</script>', "password": "x"})
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize(
    ("state", "part"),
    [
        (AccountState.WAITING, "waits for an administrator"),
        (AccountState.REFUSED, "not approved"),
        (AccountState.DEACTIVATED, "deactivated"),
    ],
)
def test_a_shut_account_is_told_so_after_the_right_password_only(
    clinic: Clinic, nobody: Visitor, state: AccountState, part: str
) -> None:
    user = clinic.person("doctor")
    with transaction():
        user.state = state
    email = user.email
    answer = sign_in(nobody, user)
    assert answer.status_code == 403 and part in words(answer)
    assert nobody.get("/doctor/").status_code == 302
    assert nobody.post("/login", {"email": email, "password": "wrong"}).status_code == 401


def test_signing_in_leads_on_to_the_page_that_was_asked_for(clinic: Clinic, nobody: Visitor) -> None:
    user = clinic.person("patient")
    asked = nobody.get("/account?a=1&b=2")
    assert asked.status_code == 302
    form = nobody.page(asked.location)
    target = form.select_one("input[name=next]")
    assert target and target["value"] == "/account?a=1&b=2"
    assert sign_in(nobody, user, next=str(target["value"])).location == "/account?a=1&b=2"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "evil",
        "/doctor/",  # not open to a patient
        "/logout",  # nothing to be read there
        "/no-such-page",
    ],
)
def test_signing_in_never_leads_elsewhere(clinic: Clinic, nobody: Visitor, target: str) -> None:
    assert sign_in(nobody, clinic.person("patient"), next=target).location == "/patient/"


def test_an_address_in_any_script_leads_on_with_htmx_too(clinic: Clinic, nobody: Visitor) -> None:
    """A header holds Latin-1 at most: a server would answer with its own 500 instead of sending this one."""
    user = clinic.person("patient")
    data = {"email": user.email, "password": PASSWORD, "next": "/account?q=\u20ac\u00e9%20"}
    answer = nobody.post("/login", data, htmx=True)
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, "/account?q=%E2%82%AC%C3%A9%20")


def test_who_is_signed_in_is_sent_home_from_the_sign_in_page(doctor: Visitor) -> None:
    assert doctor.get("/login").location == "/doctor/"
    assert doctor.get("/login/code").location == "/doctor/"
    assert doctor.get("/register").location == "/doctor/"


def test_signing_out_ends_the_session_and_not_only_the_cookie(clinic: Clinic, nobody: Visitor) -> None:
    sign_in(nobody, clinic.person("doctor"))
    copied = nobody.client.get_cookie("csss")
    answer = nobody.post("/logout")
    assert (answer.status_code, answer.location) == (303, "/")
    assert copied is not None
    nobody.client.set_cookie("csss", copied.value)
    assert nobody.get("/account").location == "/login?next=/account"


def test_signing_out_without_being_signed_in_is_harmless(nobody: Visitor) -> None:
    assert nobody.post("/logout").status_code == 303


def test_a_form_without_its_token_is_refused(clinic: Clinic, nobody: Visitor) -> None:
    user = clinic.person("doctor")
    answer = nobody.client.post("/login", data={"email": user.email, "password": PASSWORD})
    assert answer.status_code == 400
