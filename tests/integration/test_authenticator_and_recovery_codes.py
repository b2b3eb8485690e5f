"""Codes of an authenticator app and recovery codes work once, for their owner."""

from datetime import timedelta

import pyotp
import pytest
import sqlalchemy as sa

from csss.auth import authenticator_app, second_factor
from csss.clock import now, pretending
from csss.database import db, transaction
from csss.people.models import User
from tests.factories import Clinic
from tests.integration.codes import accepted, refused, with_app


def test_a_code_of_the_app_works_once(clinic: Clinic, admin_user: User) -> None:
    digits = with_app(admin_user).now()
    assert accepted(admin_user, digits).method == "authenticator"
    refused(admin_user, digits)


def test_after_a_newer_code_of_the_app_an_older_one_is_refused(clinic: Clinic, admin_user: User) -> None:
    totp = with_app(admin_user)
    step = int(now().timestamp()) // 30
    assert accepted(admin_user, totp.generate_otp(step))
    refused(admin_user, totp.generate_otp(step - 1))


@pytest.mark.parametrize(("away", "fine"), [(-90, False), (-30, True), (30, True), (90, False)])
def test_the_phones_clock_may_be_half_a_minute_off(
    clinic: Clinic, admin_user: User, away: int, fine: bool
) -> None:
    at = now()
    with pretending(at + timedelta(seconds=15 - at.timestamp() % 30)):  # no new step begins meanwhile
        digits = with_app(admin_user).at(now() + timedelta(seconds=away))
        if fine:
            assert accepted(admin_user, digits)
        else:
            refused(admin_user, digits)


def test_the_apps_secret_is_not_readable_in_the_database(clinic: Clinic, admin_user: User) -> None:
    totp = with_app(admin_user)
    assert totp.secret not in (admin_user.totp_secret or "")


def test_the_code_that_set_the_app_up_does_not_sign_in(clinic: Clinic, admin_user: User) -> None:
    secret = authenticator_app.new_totp_secret()
    digits = pyotp.TOTP(secret).now()
    with transaction():
        authenticator_app.confirm_totp(admin_user, secret, digits)
    refused(admin_user, digits)


# Recovery codes


def test_a_recovery_code_works_once_and_only_for_its_owner(clinic: Clinic, admin_user: User) -> None:
    other = clinic.person("admin")
    with transaction():
        codes = second_factor.new_recovery_codes(admin_user)
    assert len(set(codes)) == 10
    refused(other, codes[0])
    assert accepted(admin_user, codes[0].upper()).method == "recovery_code"
    refused(admin_user, codes[0])
    assert second_factor.recovery_codes_left(admin_user) == 9
    assert accepted(admin_user, codes[1].replace("-", " "))


def test_new_recovery_codes_replace_the_old_ones(clinic: Clinic, admin_user: User) -> None:
    with transaction():
        old = second_factor.new_recovery_codes(admin_user)
    with transaction():
        new = second_factor.new_recovery_codes(admin_user)
    refused(admin_user, old[0])
    assert accepted(admin_user, new[0])
    assert second_factor.recovery_codes_left(admin_user) == 9


def test_recovery_codes_are_kept_as_hashes(clinic: Clinic, admin_user: User) -> None:
    with transaction():
        codes = second_factor.new_recovery_codes(admin_user)
    kept = str(db.session.execute(sa.text("SELECT * FROM recovery_codes")).all())
    assert not any(code.replace("-", "") in kept for code in codes)
