"""Keys, hashes and passwords."""

import pytest
from cryptography.fernet import Fernet
from flask import Flask

from csss.auth import secrets


def test_each_purpose_has_a_key_of_its_own(app: Flask) -> None:
    assert secrets.keyed_hash("one-time-code", "a", "b") != secrets.keyed_hash("recovery-code", "a", "b")
    assert secrets.keyed_hash("one-time-code", "a", "bc") != secrets.keyed_hash("one-time-code", "ab", "c")
    token = secrets.encrypt("totp", "JBSWY3DPEHPK3PXP")
    assert secrets.decrypt("totp", token) == "JBSWY3DPEHPK3PXP"
    with pytest.raises(secrets.CannotDecrypt):
        secrets.decrypt("report-passphrase", token)


def test_with_another_secret_key_nothing_opens_and_the_reason_is_said(app: Flask) -> None:
    token = secrets.encrypt("totp", "JBSWY3DPEHPK3PXP")
    app.config["SECRET_KEY"] = "another key that is long enough to be taken"
    with pytest.raises(secrets.CannotDecrypt, match="CSSS_SECRET_KEY"):
        secrets.decrypt("totp", token)
    with pytest.raises(secrets.CannotDecrypt):
        secrets.decrypt("totp", Fernet(Fernet.generate_key()).encrypt(b"x").decode())


@pytest.mark.parametrize(
    "password", ["a" * 12, "a" * 128, "pass\x00word and more", "пароль из букв", "a" * 72 + "bcdef"]
)
def test_a_password_matches_itself_only(app: Flask, password: str) -> None:
    kept = secrets.hash_password(password)
    assert secrets.password_matches(password, kept)
    # bcrypt itself stops at 72 bytes and at a zero byte: these would pass.
    for other in (
        password[:-1],
        password + "x",
        password.partition("\x00")[0][:-1] + "\x00",
        password[:72] + "z",
    ):
        assert not secrets.password_matches(other, kept)


def test_two_hashes_of_one_password_differ(app: Flask) -> None:
    assert secrets.hash_password("correct horse battery") != secrets.hash_password("correct horse battery")


def test_an_unknown_person_has_no_password(app: Flask) -> None:
    assert not secrets.password_matches("correct horse battery", None)


def test_session_keys_are_long_and_kept_as_hashes() -> None:
    key, other = secrets.new_session_key(), secrets.new_session_key()
    assert key != other and len(key) >= 43  # 256 bits
    assert key not in secrets.session_key_hash(key)
