"""Signing in, and what is typed in to register."""

import re

import pyotp
from werkzeug.test import TestResponse

from csss.auth import authenticator_app
from csss.database import db, transaction
from csss.people.models import User
from tests.factories import PASSWORD, Clinic
from tests.visitor import Visitor

PATIENT = {
    "name": "Kavya Raman",
    "email": "kavya@csss.example",
    "password": "a long enough one",
    "role": "patient",
    "date_of_birth": "1991-04-17",
    "sex": "female",
    "phone": "+91 44 5550 0100",
}


def sign_in(visitor: Visitor, user: User, **more: str) -> TestResponse:
    user = db.session.merge(user, load=True)  # it may have been read for an earlier request
    return visitor.post("/login", {"email": user.email, "password": PASSWORD, **more})


def mailed_code(clinic: Clinic) -> str:
    clinic.run_jobs("send_mail")
    (code,) = re.findall(r"\b\d{6}\b", clinic.mail[-1].get_content())
    return str(code)


def with_app(user: User) -> str:
    """Set an authenticator app up for this person; returns its secret."""
    secret = authenticator_app.new_totp_secret()
    with transaction():
        authenticator_app.confirm_totp(user, secret, pyotp.TOTP(secret).now())
        user.totp_last_step = None  # so that the test may use the current step again
    return secret
