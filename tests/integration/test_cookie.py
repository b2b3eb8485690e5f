"""The cookie: whoever finds it on a shared computer reads nothing in it, and nobody can write one."""

import base64
import re
import zlib

import pytest

from csss.auth import secrets
from tests.factories import PASSWORD, Clinic
from tests.visitor import Visitor, words

NAME = "Zimmerlinde Kanarienvogel"


def cookie(visitor: Visitor) -> str:
    found = visitor.client.get_cookie("csss")
    assert found is not None
    return found.value


def readings(value: str) -> list[bytes]:
    """All that can be got out of a cookie without the key: its parts as they stand, decoded, and unpacked."""
    found = [value.encode()]
    for part in (value, *value.split(".")):
        try:
            raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        except ValueError:
            continue
        found.append(raw)
        try:
            found.append(zlib.decompress(raw))
        except zlib.error:
            continue
    return found


def tells(visitor: Visitor, *texts: str) -> list[str]:
    return [text for text in texts for reading in readings(cookie(visitor)) if text.encode() in reading]


def test_a_message_about_somebody_cannot_be_read_in_the_cookie(clinic: Clinic, admin: Visitor) -> None:
    user = clinic.person("doctor", active=False, name=NAME)
    assert admin.post(f"/admin/users/{user.id}/approve", {"current_password": PASSWORD}).status_code == 303
    with admin.client.session_transaction() as kept:
        assert NAME in str(kept["_flashes"])  # it is there, for the next page alone
    assert not tells(admin, NAME, NAME.split(maxsplit=1)[0], "sign in now", "_flashes", "csrf_token")
    assert NAME in words(admin.get("/admin/users"))
    with admin.client.session_transaction() as kept:
        assert "_flashes" not in kept


def test_neither_can_a_search_that_waits_for_the_second_step(clinic: Clinic, nobody: Visitor) -> None:
    email = clinic.person("admin").email
    sent = {"email": email, "password": PASSWORD, "next": "/admin/users?q=Kanarienvogel"}
    assert nobody.post("/login", sent).location == "/login/code"
    with nobody.client.session_transaction() as kept:
        assert "Kanarienvogel" in kept["next"]
    assert not tells(nobody, "Kanarienvogel", "/admin/users", "pending_session")


def test_nor_an_address_that_was_typed_by_a_stranger(nobody: Visitor) -> None:
    assert nobody.post("/forgot-password", {"email": "kanarienvogel@csss.example"}).status_code == 303
    assert not tells(nobody, "kanarienvogel")


@pytest.mark.parametrize("change", ["cut", "turned", "foreign", "signed", "empty"])
def test_a_cookie_that_is_not_ours_opens_nothing(doctor: Visitor, change: str) -> None:
    assert doctor.get("/doctor/").status_code == 200
    assert doctor.get("/login").status_code == 303  # signed in already
    whole = cookie(doctor)
    with doctor.app.test_request_context():
        foreign = secrets.encrypt("totp", "{}")
    from itsdangerous import URLSafeTimedSerializer

    key = re.sub("-", "", str(doctor.session_id))
    signed = URLSafeTimedSerializer(doctor.app.secret_key, salt="cookie-session").dumps({"_user_id": key})  # type: ignore[arg-type]
    wrong = {
        "cut": whole[:-4],
        "turned": whole[:40] + ("A" if whole[40] != "A" else "B") + whole[41:],
        "foreign": foreign,
        "signed": signed,
        "empty": "",
    }
    doctor.client.set_cookie("csss", wrong[change])
    answer = doctor.get("/doctor/")
    assert answer.status_code == 302 and answer.location.startswith("/login")
