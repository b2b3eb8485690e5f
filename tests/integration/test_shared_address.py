"""One visitor behind a network address locks nobody out who is known there, and learns nothing of who that is."""

import pytest
from werkzeug.test import TestResponse

from csss.auth.second_factor import new_recovery_codes
from csss.database import db, transaction
from csss.notices.models import MailKind, MailMessage
from csss.people.models import User
from csss.web.auth import code_routes, forgotten, links, routes
from csss.web.auth.passkey_routes import QUESTIONS_FOR_AN_ADDRESS
from csss.web.throttle import limiter
from tests.factories import PASSWORD, Clinic
from tests.integration.test_equal_answers import hashings, told  # noqa: F401 - a fixture
from tests.integration.test_throttle import ELSEWHERE, HERE, key_of, try_password, use_up
from tests.visitor import Visitor, words

AT_HOME = {"REMOTE_ADDR": HERE}


@pytest.fixture
def known(clinic: Clinic) -> User:
    """Somebody who has signed in from HERE before."""
    user = clinic.person("doctor", email="known@csss.example")
    assert try_password(Visitor(clinic.app), user.email, PASSWORD).status_code == 303
    return user


def from_here(visitor: Visitor, url: str, form: dict[str, str] | None = None) -> TestResponse:
    return visitor.post(url, form, environ_base=AT_HOME)


def test_sixty_wrong_passwords_of_one_visitor_refuse_nobody_who_is_known_there(
    clinic: Clinic, nobody: Visitor, known: User
) -> None:
    email = known.email
    answers = [try_password(nobody, f"invented{number}@csss.example").status_code for number in range(61)]
    assert answers == [401] * 60 + [429]
    for _ in range(2):  # again and again
        assert try_password(Visitor(clinic.app), email, PASSWORD).status_code == 303
    # Who is not known there waits, as before.
    stranger = clinic.person("doctor").email
    assert try_password(Visitor(clinic.app), stranger, PASSWORD).status_code == 429
    assert try_password(Visitor(clinic.app), stranger, PASSWORD, ELSEWHERE).status_code == 303


def test_who_is_known_keeps_the_own_ten_tries_and_no_more(
    clinic: Clinic, nobody: Visitor, known: User
) -> None:
    email = known.email
    use_up(routes.WRONG_PASSWORDS_OF_AN_ADDRESS, "sign-in.address", HERE)
    for _ in range(9):
        answer = try_password(nobody, email)
        assert answer.status_code == 429 and "check the address and the password" in words(answer)
    assert try_password(Visitor(clinic.app), email, PASSWORD).status_code == 303  # and begins anew
    for _ in range(10):
        try_password(nobody, email)
    assert try_password(Visitor(clinic.app), email, PASSWORD).status_code == 429


@pytest.mark.parametrize("before", [58, 60])
def test_no_answer_tells_who_is_known_there(
    clinic: Clinic,
    known: User,
    hashings: list[str],  # noqa: F811
    before: int,
) -> None:
    """Neither when the address is used up nor on the way there, neither by what is said nor by the work that is done."""
    seen = {}
    for email in (known.email, "other@csss.example"):
        _begin_anew()
        use_up(routes.WRONG_PASSWORDS_OF_AN_ADDRESS, "sign-in.address", HERE, but=60 - before)
        visitor, found = Visitor(clinic.app), []
        hashings.clear()
        # In between somebody else is asked for: does the counter move alike?
        for tried in (email, "invented@csss.example", *[email] * 12, "invented2@csss.example"):
            answer = try_password(visitor, tried)
            answer.headers.pop("Retry-After", None)  # it counts down while the test runs
            found.append((told(visitor, answer), len(hashings)))
        seen[email] = found
    assert seen[known.email] == seen["other@csss.example"]


def _begin_anew() -> None:
    limiter.limiter.storage.reset()


def test_the_answers_that_take_long_for_nothing_come_to_an_end(
    clinic: Clinic,
    nobody: Visitor,
    hashings: list[str],  # noqa: F811
) -> None:
    use_up(routes.WRONG_PASSWORDS_OF_AN_ADDRESS, "sign-in.address", HERE)
    use_up(routes.SLOW_ANSWERS_TO_AN_ADDRESS, "sign-in.slow", HERE, but=1)
    for number in range(3):
        assert try_password(nobody, f"invented{number}@csss.example").status_code == 429
    assert len(hashings) == 1


def test_links_for_a_new_password_go_to_who_is_known_whatever_others_have_asked_for(
    clinic: Clinic, nobody: Visitor, known: User
) -> None:
    unknown = clinic.person("doctor", email="other@csss.example")
    use_up(forgotten.LINKS_FOR_AN_ADDRESS, "reset.address", HERE)
    seen = []
    for email in (known.email, unknown.email):
        visitor = Visitor(clinic.app)
        answer = from_here(visitor, "/forgot-password", {"email": email})
        answer.headers.pop("Retry-After")
        seen.append(told(visitor, answer))
        assert "look for a link in your mail first" in words(answer)
        assert "a link is on its way" not in words(visitor.get("/login"))
    assert seen[0] == seen[1] and seen[0][0] == 429
    owed = db.session.query(MailMessage.user_id).filter_by(kind=MailKind.RESET_PASSWORD).all()
    assert [each for (each,) in owed] == [db.session.merge(known).id]
    for _ in range(4):
        from_here(nobody, "/forgot-password", {"email": "known@csss.example"})
    use_up(forgotten.LINKS_FOR_AN_ACCOUNT, "reset.account", key_of("known@csss.example"))
    assert from_here(nobody, "/forgot-password", {"email": "known@csss.example"}).status_code == 429


def test_a_link_that_works_is_taken_whatever_others_have_tried(clinic: Clinic, nobody: Visitor) -> None:
    user = clinic.person("doctor")
    nobody.post("/forgot-password", {"email": user.email})
    clinic.run_jobs("send_mail")
    token = clinic.mail[-1].get_content().rpartition("/reset-password/")[2].split()[0]
    use_up(links.WRONG_LINKS_OF_AN_ADDRESS, "reset-link.address", HERE)
    assert from_here(nobody, "/reset-password/guessed").status_code == 429
    answer = from_here(nobody, f"/reset-password/{token}", {"new_password": "some words far apart 7"})
    assert answer.status_code == 303


def test_codes_are_taken_and_sent_whatever_others_have_tried(clinic: Clinic) -> None:
    admin = clinic.person("admin")
    with transaction():
        recovery = new_recovery_codes(db.session.merge(admin))
    visitor = Visitor(clinic.app)
    try_password(visitor, admin.email, PASSWORD)
    assert (
        from_here(visitor, "/login/code", {"code": recovery[0]}).status_code == 303
    )  # known here from now on
    use_up(code_routes.WRONG_CODES_OF_AN_ADDRESS, "code.address", HERE)
    use_up(code_routes.CODES_FOR_AN_ADDRESS, "code-mail.address", HERE)
    again = Visitor(clinic.app)
    try_password(again, admin.email, PASSWORD)
    assert from_here(again, "/login/code/send").status_code == 303
    assert from_here(again, "/login/code", {"code": "000000"}).status_code == 422
    assert from_here(again, "/login/code", {"code": recovery[1]}).status_code == 303


def test_a_visitor_without_an_account_uses_up_nobodys_codes(clinic: Clinic, nobody: Visitor) -> None:
    use_up(code_routes.CODES_FOR_AN_ADDRESS, "code-mail.address", HERE, but=1)
    for _ in range(3):
        assert from_here(nobody, "/login/code/send").location == "/login"
    visitor = Visitor(clinic.app)
    try_password(visitor, clinic.person("admin").email, PASSWORD)
    assert from_here(visitor, "/login/code/send").status_code == 303


@pytest.mark.parametrize("settings", [{"base_url": "https://csss.example"}], indirect=True)
def test_who_finds_passkeys_used_up_is_told_the_way_round(clinic: Clinic, nobody: Visitor) -> None:
    use_up(QUESTIONS_FOR_AN_ADDRESS, "passkey-question.address", HERE)
    answer = from_here(nobody, "/login/passkey/question")
    assert answer.status_code == 429 and "Sign in with your password" in answer.get_data(as_text=True)
