"""Whether an address has an account cannot be learnt from an answer, nor from how long it takes."""

import re
from collections.abc import Iterator

import bcrypt
import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from csss.clock import now
from csss.database import db
from csss.people.models import User
from tests.factories import Clinic
from tests.integration.signing_in import PATIENT
from tests.visitor import Visitor

KNOWN, UNKNOWN = "known@csss.example", "other@csss.example"


@pytest.fixture
def hashings(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every run of bcrypt, which is nearly all of the time that an answer takes."""
    done: list[str] = []
    for name in ("hashpw", "checkpw"):
        real = getattr(bcrypt, name)

        def run(*given: bytes, real: object = real, name: str = name) -> object:
            done.append(name)
            return real(*given)  # type: ignore[operator]

        monkeypatch.setattr(bcrypt, name, run)
    yield done


def told(visitor: Visitor, answer: TestResponse) -> tuple[int, dict[str, str], str, str]:
    """All that a stranger sees: status, headers, the page, and the page that follows; without what is random or typed."""
    assert isinstance(answer.status_code, int)
    headers = {
        name: value for name, value in answer.headers.items() if name not in {"X-Request-ID", "Set-Cookie"}
    }
    headers.pop("Content-Length", None)
    following = visitor.get(answer.location).get_data(as_text=True) if answer.location else ""
    return answer.status_code, headers, bare(answer.get_data(as_text=True)), bare(following)


def bare(html: str) -> str:
    html = re.sub(r'name="csrf_token" value="[^"]*"', "", html)
    return html.replace(KNOWN, "…").replace(UNKNOWN, "…")


@pytest.fixture
def known(clinic: Clinic) -> User:
    return clinic.person("patient", email=KNOWN)


@pytest.mark.parametrize("htmx", [False, True])
def test_at_sign_in(clinic: Clinic, known: User, hashings: list[str], htmx: bool) -> None:
    seen = []
    for email in (KNOWN, UNKNOWN):
        visitor = Visitor(clinic.app)
        hashings.clear()
        for _ in range(12):  # the last two are too many
            answer = visitor.post("/login", {"email": email, "password": "a wrong password"}, htmx=htmx)
            answer.headers.pop("Retry-After", None)  # it counts down while the test runs
            seen.append((email, told(visitor, answer), len(hashings)))
    of_known = [entry[1:] for entry in seen if entry[0] == KNOWN]
    of_unknown = [entry[1:] for entry in seen if entry[0] == UNKNOWN]
    assert of_known == of_unknown
    assert [entry[0][0] for entry in of_known] == [401] * 10 + [429] * 2
    assert of_known[-1][1] == 10  # one hashing for each password that was looked at


@pytest.mark.both_databases
@pytest.mark.parametrize("role", ["patient", "doctor"])
def test_at_registration(clinic: Clinic, known: User, hashings: list[str], role: str) -> None:
    clinic.run_jobs()
    before, seen = len(clinic.mail), []
    for email in (KNOWN, UNKNOWN):
        visitor = Visitor(clinic.app)
        hashings.clear()
        answer = visitor.post("/register", {**PATIENT, "email": email, "role": role})
        seen.append((told(visitor, answer), hashings.copy()))
    assert seen[0] == seen[1] and seen[0][0][0] == 303 and seen[0][1] == ["hashpw"]
    clinic.run_jobs("send_mail")
    to_known, to_unknown = sorted(clinic.mail[before:], key=lambda mail: mail["To"])
    assert "You have an account already" in to_known["Subject"] and to_known["To"] == KNOWN
    assert "/login" in to_known.get_content() and PATIENT["name"] not in to_known.get_content()
    assert "Confirm your e-mail address" in to_unknown["Subject"]


def test_at_registration_with_mistakes(clinic: Clinic, known: User, hashings: list[str]) -> None:
    seen = []
    for email in (KNOWN, UNKNOWN):
        visitor = Visitor(clinic.app)
        future = f"{now().year + 2}-01-01"  # where the hospital is, the next year begins earlier
        for wrong in ({"password": "too short"}, {"name": ""}, {"date_of_birth": future}):
            answer = visitor.post("/register", {**PATIENT, "email": email, **wrong})
            assert answer.status_code == 422
            seen.append(told(visitor, answer))
    assert seen[:3] == seen[3:]


def test_who_is_registered_again_and_again_gets_one_mail_an_hour(clinic: Clinic, known: User) -> None:
    clinic.run_jobs()
    before = len(clinic.mail)
    for _ in range(3):
        Visitor(clinic.app).post("/register", {**PATIENT, "email": KNOWN})
    clinic.run_jobs("send_mail")
    assert len(clinic.mail) == before + 1
    assert len(db.session.scalars(select(User).where(User.email == KNOWN)).all()) == 1


def test_when_a_password_is_forgotten(clinic: Clinic, known: User, hashings: list[str]) -> None:
    seen = []
    for email in (KNOWN, UNKNOWN):
        visitor = Visitor(clinic.app)
        for _ in range(6):  # the last one is too many
            answer = visitor.post("/forgot-password", {"email": email})
            answer.headers.pop("Retry-After", None)
            seen.append(told(visitor, answer))
    assert seen[:6] == seen[6:] and [each[0] for each in seen[:6]] == [303] * 5 + [429]
    assert hashings == []
