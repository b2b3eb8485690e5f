"""A one-time code works once, for whom and what it was made, in time."""

import json
import logging
import re
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import select

from csss.auth import second_factor
from csss.auth.models import OneTimeCode
from csss.clock import now
from csss.database import Base, db, transaction
from csss.errors import Counted, Invalid, TooMany
from csss.notices.models import MailKind, MailMessage, MailState
from csss.outbox import OutboxJob
from csss.people.models import User
from tests.factories import Clinic
from tests.integration.codes import (
    APPROVAL,
    SIGN_IN,
    SUBJECT,
    accepted,
    mailed_code,
    other_than,
    refused,
    request,
    set_back,
    with_app,
)
from tests.odd_values import CODES

# By e-mail


@pytest.mark.both_databases
def test_a_mailed_code_proves_who_is_there(clinic: Clinic, admin_user: User) -> None:
    request(admin_user)
    proof = accepted(admin_user, mailed_code(clinic))
    assert proof == second_factor.Proof(admin_user.id, SIGN_IN, SUBJECT, "email_code")


@pytest.mark.parametrize(
    "typed",
    [
        lambda digits: f" {digits[:3]} {digits[3:]}\n",
        lambda digits: f"{digits[:3]}-{digits[3:]}",
        lambda digits: f"{digits[:3]}\N{EN DASH}{digits[3:]}",
        lambda digits: "\u200b" + "\u200d".join(digits) + "\ufeff",
        lambda digits: f"\u202d{digits}\u202c",
        lambda digits: "".join(chr(ord(each) + 0xFEE0) for each in digits),  # full width
        lambda digits: "".join(chr(ord(each) - ord("0") + 0x0966) for each in digits),  # Devanagari
        lambda digits: "".join(f"{each}\ufe0f\u20e3" for each in digits),  # keycaps
    ],
    ids=["spaces", "hyphen", "dash", "zero width", "direction", "full width", "devanagari", "keycaps"],
)
def test_a_code_is_read_however_a_keyboard_or_a_mail_program_writes_it(
    clinic: Clinic, admin_user: User, typed: Callable[[str], str]
) -> None:
    request(admin_user)
    assert accepted(admin_user, typed(mailed_code(clinic))).method == "email_code"


@pytest.mark.parametrize("settings", [{"otp_minutes": 3}, {"otp_minutes": 10}], indirect=True)
def test_the_life_in_the_mail_is_the_setting_and_the_truth(clinic: Clinic, admin_user: User) -> None:
    minutes = clinic.app.config["CSSS"].otp_minutes
    code_id = request(admin_user)
    digits = mailed_code(clinic)
    sent_at = now()
    assert f"expires in {minutes} minutes" in clinic.mail[-1].get_body().get_content()
    code = db.session.get_one(OneTimeCode, code_id)
    assert code.expires_at is not None
    assert abs(code.expires_at - sent_at - timedelta(minutes=minutes)) < timedelta(seconds=5)
    set_back(code_id, timedelta(minutes=minutes, seconds=1))
    assert refused(admin_user, digits) == "This code has expired. Ask for a new one."


def test_shortly_before_its_end_it_still_works(clinic: Clinic, admin_user: User) -> None:
    code_id = request(admin_user)
    digits = mailed_code(clinic)
    set_back(code_id, timedelta(minutes=9, seconds=50))
    assert accepted(admin_user, digits).method == "email_code"


@pytest.mark.parametrize("settings", [{"hospital_name": "Clinic 600001 Chennai"}], indirect=True)
def test_no_other_six_digit_number_stands_in_the_mail(clinic: Clinic) -> None:
    admin = clinic.person("admin", name="Anna 123456 Example")
    clinic.run_jobs()
    request(admin)
    digits = mailed_code(clinic)  # finds exactly one in the body
    mail = clinic.mail[-1]
    assert not re.search(r"\d{6}", mail["Subject"])
    assert not mail.is_multipart()
    assert accepted(admin, digits)


@pytest.mark.both_databases
def test_a_code_works_once(clinic: Clinic, admin_user: User) -> None:
    request(admin_user)
    digits = mailed_code(clinic)
    accepted(admin_user, digits)
    assert refused(admin_user, digits) == "This code has been used already. Ask for a new one."


def test_a_newer_code_cancels_the_older(clinic: Clinic, admin_user: User) -> None:
    request(admin_user)
    older = mailed_code(clinic)
    request(admin_user)
    assert refused(admin_user, older).startswith(
        "This code is not right"
    )  # already before the newer one is sent
    newer = mailed_code(clinic)
    if older != newer:
        refused(admin_user, older)
    assert accepted(admin_user, newer)


def test_after_five_wrong_tries_the_right_one_is_refused(clinic: Clinic, admin_user: User) -> None:
    request(admin_user)
    digits = mailed_code(clinic)
    told = [refused(admin_user, other_than(digits)) for _ in range(5)]
    assert told[0] == "This code is not right. 4 tries are left."
    assert told[3] == "This code is not right. 1 try is left."
    assert refused(admin_user, digits) == "Too many wrong tries. Ask for a new code."
    request(admin_user)
    assert accepted(admin_user, mailed_code(clinic))


def test_a_wrong_try_counts_even_when_nobody_catches_the_refusal(clinic: Clinic, admin_user: User) -> None:
    code_id = request(admin_user)
    digits = mailed_code(clinic)
    for number in range(1, 3):
        with pytest.raises(Invalid), transaction():
            second_factor.check(admin_user, SIGN_IN, SUBJECT, other_than(digits))
        assert db.session.get_one(OneTimeCode, code_id).tries == number


def test_three_codes_within_a_quarter_of_an_hour(clinic: Clinic, admin_user: User) -> None:
    ids = [request(admin_user) for _ in range(3)]
    with pytest.raises(Invalid, match="3 codes were asked for within 15 minutes"):
        request(admin_user)
    digits = mailed_code(clinic)  # the refused request has not cancelled the newest
    assert accepted(admin_user, digits)
    for code_id in ids:
        set_back(code_id, timedelta(minutes=15, seconds=1))
    request(admin_user)


@pytest.mark.parametrize("too_old", [True, False])
def test_a_code_mail_that_has_become_too_old_is_dropped(
    clinic: Clinic, admin_user: User, too_old: bool
) -> None:
    """The mail server was down: nobody waits for the code any more, so it would only confuse."""
    code_id = request(admin_user)
    set_back(code_id, timedelta(minutes=10 if too_old else 9))
    sent = len(clinic.mail)
    clinic.run_jobs()
    message = db.session.scalars(select(MailMessage).where(MailMessage.subject_id == code_id)).one()
    assert message.state is (MailState.DROPPED if too_old else MailState.SENT)
    assert len(clinic.mail) == sent + (not too_old)
    assert (db.session.get_one(OneTimeCode, code_id).code_hash is None) == too_old


def test_of_two_codes_asked_for_in_a_row_only_the_newer_is_mailed(clinic: Clinic, admin_user: User) -> None:
    sent = len(clinic.mail)
    request(admin_user)
    request(admin_user)
    accepted(admin_user, mailed_code(clinic))
    assert len(clinic.mail) == sent + 1


def test_a_code_is_bound_to_person_purpose_and_subject(clinic: Clinic, admin_user: User) -> None:
    other = clinic.person("admin")
    clinic.run_jobs()
    request(admin_user)
    digits = mailed_code(clinic)
    for user, purpose, subject in (
        (other, SIGN_IN, SUBJECT),
        (admin_user, APPROVAL, SUBJECT),
        (admin_user, SIGN_IN, uuid.uuid4()),
    ):
        assert refused(user, digits, purpose, subject) == "This code is not right."
    assert accepted(admin_user, digits)


def test_the_code_of_another_scan_does_not_open_this_one(clinic: Clinic, admin_user: User) -> None:
    one, two = uuid.uuid4(), uuid.uuid4()
    request(admin_user, APPROVAL, one)
    of_one = mailed_code(clinic)
    request(admin_user, APPROVAL, two)
    of_two = mailed_code(clinic)
    if of_one != of_two:
        refused(admin_user, of_one, APPROVAL, two)
    assert accepted(admin_user, of_one, APPROVAL, one).subject_id == one
    assert accepted(admin_user, of_two, APPROVAL, two).subject_id == two


@pytest.mark.parametrize("typed", ["{0}{1}", "{0} {1}", " {0}-{1}\n"])
def test_blanks_and_dashes_do_not_matter(clinic: Clinic, admin_user: User, typed: str) -> None:
    request(admin_user)
    digits = mailed_code(clinic)
    assert accepted(admin_user, typed.format(digits[:3], digits[3:]))


def test_nonsense_is_refused_and_costs_no_try(clinic: Clinic, admin_user: User) -> None:
    code_id = request(admin_user)
    digits = mailed_code(clinic)
    for nonsense in CODES:
        assert refused(admin_user, nonsense), nonsense
        assert db.session.get_one(OneTimeCode, code_id).tries == 0, nonsense
    assert accepted(admin_user, digits)


def test_the_code_stands_nowhere_but_in_the_mail(
    clinic: Clinic, admin_user: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    code_id = request(admin_user)
    row = db.session.scalars(select(OutboxJob).order_by(OutboxJob.created_at.desc())).first()
    assert row is not None
    assert [uuid.UUID(each) for each in row.args] == [
        db.session.scalars(select(MailMessage.id).where(MailMessage.subject_id == code_id)).one()
    ]
    digits = mailed_code(clinic)
    refused(admin_user, other_than(digits))
    accepted(admin_user, digits)
    everything = json.dumps(
        [
            [str(value) for value in row]
            for table in Base.metadata.sorted_tables
            for row in db.session.execute(sa.select(table))
        ]
    )
    # As a number of its own; six digits within a random id mean nothing.
    assert not re.search(rf"(?<![0-9a-f.]){digits}(?![0-9a-f])", everything)
    code = db.session.get_one(OneTimeCode, code_id)
    assert re.fullmatch(r"[0-9a-f]{64}", code.code_hash or "")
    for logged in caplog.records:
        assert not re.search(rf"(?<![0-9a-f.]){digits}(?![0-9a-f])", logged.getMessage())


def test_the_hash_is_keyed(clinic: Clinic, admin_user: User) -> None:
    """A plain hash of six digits is found in a second by trying all million; a keyed one needs the key."""
    code_id = request(admin_user)
    digits = mailed_code(clinic)
    code = db.session.get_one(OneTimeCode, code_id)
    kept = code.code_hash
    assert kept == second_factor._code_hash(code, digits)
    clinic.app.config["SECRET_KEY"] = "another key that is long enough to be taken"
    assert kept != second_factor._code_hash(code, digits)


# Several sign-ins of one account


@pytest.mark.both_databases
def test_signing_in_anew_brings_no_further_codes(clinic: Clinic, admin_user: User) -> None:
    for _ in range(3):
        request(admin_user, SIGN_IN, uuid.uuid4())
    with pytest.raises(TooMany, match="for sign-ins started elsewhere") as refusal:
        request(admin_user, SIGN_IN, uuid.uuid4())
    assert timedelta(minutes=14) < refusal.value.wait <= timedelta(minutes=15)
    # What is approved is nobody's sign-in.
    request(admin_user, APPROVAL, uuid.uuid4())


def test_at_sign_in_a_newer_code_cancels_the_older_of_another_sign_in(
    clinic: Clinic, admin_user: User
) -> None:
    one, two = uuid.uuid4(), uuid.uuid4()
    request(admin_user, SIGN_IN, one)
    older = mailed_code(clinic)
    request(admin_user, SIGN_IN, two)
    newer = mailed_code(clinic)
    assert "A newer code has replaced this one" in refused(admin_user, older, SIGN_IN, one)
    assert accepted(admin_user, newer, SIGN_IN, two)


def test_who_uses_the_codes_may_sign_in_as_often_as_needed(clinic: Clinic, admin_user: User) -> None:
    for _ in range(5):
        session = uuid.uuid4()
        request(admin_user, SIGN_IN, session)
        assert accepted(admin_user, mailed_code(clinic), SIGN_IN, session)


def test_a_code_works_only_in_the_session_that_asked_for_it(clinic: Clinic, admin_user: User) -> None:
    scan, here, there = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    with transaction():
        code_id = second_factor.request_code(admin_user, APPROVAL, scan, here).id
    digits = mailed_code(clinic)
    for elsewhere in (there, None):
        with pytest.raises(Counted, match="another device"), transaction():
            second_factor.check(admin_user, APPROVAL, scan, digits, elsewhere)
    assert db.session.get_one(OneTimeCode, code_id).tries == 0  # nobody else uses its tries up
    with transaction():
        assert second_factor.check(admin_user, APPROVAL, scan, digits, here).subject_id == scan


# At once


def both(clinic: Clinic, act: Callable[[User], object], user_id: uuid.UUID) -> list[bool]:
    start = threading.Barrier(2)
    went_well: list[bool] = []

    def try_it() -> None:
        with clinic.app.app_context():
            user = db.session.get_one(User, user_id)
            start.wait(timeout=20)
            try:
                with transaction():
                    act(user)
                went_well.append(True)
            except Invalid:
                went_well.append(False)
            db.session.remove()

    db.session.remove()
    threads = [threading.Thread(target=try_it) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return sorted(went_well)


@pytest.mark.both_databases
@pytest.mark.parametrize("kind", ["email", "totp", "recovery"])
def test_a_code_that_is_sent_twice_at_once_works_once(clinic: Clinic, admin_user: User, kind: str) -> None:
    if kind == "email":
        request(admin_user)
        digits = mailed_code(clinic)
    elif kind == "totp":
        digits = with_app(admin_user).now()
    else:
        with transaction():
            digits = second_factor.new_recovery_codes(admin_user)[0]
    assert both(clinic, lambda user: second_factor.check(user, SIGN_IN, SUBJECT, digits), admin_user.id) == [
        False,
        True,
    ]


@pytest.mark.both_databases
def test_codes_asked_for_at_once_leave_one_that_works(clinic: Clinic, admin_user: User) -> None:
    request(admin_user)
    request(admin_user)
    user_id = admin_user.id
    assert both(clinic, lambda user: second_factor.request_code(user, SIGN_IN, SUBJECT), user_id) == [
        False,
        True,
    ]
    living = select(OneTimeCode).where(OneTimeCode.cancelled_at.is_(None))
    assert len(db.session.scalars(living).all()) == 1


def test_codes_travel_in_a_queue_of_their_own(clinic: Clinic, admin_user: User) -> None:
    request(admin_user)
    row = db.session.scalars(select(OutboxJob).order_by(OutboxJob.created_at.desc())).first()
    assert row is not None and row.queue.value == "codes"
    assert db.session.scalars(select(MailMessage).where(MailMessage.kind == MailKind.CODE)).one()
