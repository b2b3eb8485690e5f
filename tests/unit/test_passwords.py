"""Which passwords are refused, and that a good one is not."""

import pytest
from flask import Flask

from csss.auth.passwords import password_problem

KAVYA = ("kavya.raman@csss.example", "Kavya Raman")


@pytest.mark.parametrize(
    ("length", "problem"),
    [
        (11, "The password needs at least 12 characters; this one has 11."),
        (12, None),
        (128, None),
        (129, "The password can have at most 128 characters; this one has 129."),
    ],
)
def test_the_length_of_a_password(app: Flask, length: int, problem: str | None) -> None:
    words = "wörter, die nicht zusammen gehören. " * 4
    assert password_problem(words[:length]) == problem


COMMON = """
password1234 Password2024! P@ssw0rd2024! p4ssw0rd-1234 password-secret administrator iloveyou1234 letmein12345
welcome-hello-1 Summer2026!!! 2026-hospital! trustno1-winner changeme1234 liverpoolfootball
qwertyuiop123 1qaz2wsx3edc asdfghjkl123 zxcvbnm12345 abcdefg123456 123456789012 abcdefghijkl 1q2w3e4r5t6y q1w2e3r4t5y6
!@#$%^&*()12 qwertzuiop12
"""


@pytest.mark.parametrize("password", COMMON.split())
def test_what_attackers_try_first_is_refused(app: Flask, password: str) -> None:
    assert "one of the passwords that attackers try first" in (password_problem(password) or "")


@pytest.mark.parametrize("password", ["a" * 12, "abab" * 4, "xyz1xyz1xyz1xy", "passpasspass", "111122221111"])
def test_what_repeats_itself_is_refused(app: Flask, password: str) -> None:
    assert "repeats itself" in (password_problem(password) or "")


@pytest.mark.parametrize(
    "password",
    [
        "KavyaRaman1991",
        "kavya-raman-17",
        "kavya.raman@csss.example",
        "K4vya.R4man!!",
        "CSSS-doctor-2026",
        "demo csss 2026",
    ],
)
def test_what_rests_on_the_person_or_the_product_is_refused(app: Flask, password: str) -> None:
    assert "is based on your name" in (password_problem(password, about=KAVYA) or "")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "kavya likes green mangoes",  # enough is left without the name
        "my csss is a fine old horse",
        "passwords are a nuisance",
        "x9f2kq81mzz0",
        "582910485726194",
        "пароль из букв и снега",
        "correct horse correct horse",
        "the same again the same again",
    ],
)
def test_a_good_password_is_taken(app: Flask, password: str) -> None:
    assert password_problem(password, about=KAVYA) is None
