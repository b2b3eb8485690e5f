"""Register, use and remove passkeys. Functions that change something belong inside
transaction()."""

import secrets as random
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import ColumnElement, delete, select

from csss.audit.record import record
from csss.auth import second_factor_tries, secrets
from csss.auth.models import CodePurpose, UserSession
from csss.auth.passkeys import ceremony
from csss.auth.passkeys.ceremony import Known, NotTaken
from csss.auth.passkeys.models import NAME_MAX, Ceremony, Passkey, PasskeyChallenge
from csss.auth.second_factor import Proof
from csss.clock import now
from csss.config import RelyingParty
from csss.database import changed_rows, db
from csss.errors import Counted, Invalid, NotFound, StateConflict
from csss.hospital.current import hospital
from csss.i18n import _, _l
from csss.notices.models import MailKind
from csss.notices.services import owe
from csss.people.models import User

PASSKEY = "passkey"  # the method of a Proof, and of a session that began with a passkey
LIFE = timedelta(minutes=5)
MOST = 10
_CEREMONIES = {CodePurpose.SIGN_IN: Ceremony.SIGN_IN, CodePurpose.APPROVAL: Ceremony.APPROVAL}
_REFUSED = _l("This passkey was not accepted. Try again, or use another way.")
_TOO_LATE = _l("This passkey request has expired: it works once, for five minutes. Try again.")


def available() -> bool:
    """Whether browsers can create passkeys for this site at all."""
    return current_app.config["CSSS"].relying_party is not None


def _party() -> RelyingParty:
    party: RelyingParty | None = current_app.config["CSSS"].relying_party
    if party is None:
        raise StateConflict(_("Passkeys need an https address with a name. This site has none."))
    return party


def is_confined(session: UserSession) -> bool:
    """Whether this session may only register a passkey, because its user needs one and has not shown one."""
    return second_factor_tries.needs_passkey(session.user) and session.method != PASSKEY


def offered(user: User) -> bool:
    """Whether this person can be asked for a passkey here."""
    return available() and bool(user.passkeys)


def of(user: User) -> Sequence[Passkey]:
    """A person's passkeys, oldest first."""
    return db.session.scalars(
        select(Passkey).where(Passkey.user_id == user.id).order_by(Passkey.created_at, Passkey.id)
    ).all()


# Register and remove passkeys.


def begin_registration(asked: UserSession, *, name: str, password_is_right: bool) -> str:
    """Options for the browser. Requires the password again: somebody at an unlocked screen must not gain access to
    the account.

    The caller compares the password before transaction(), because that takes a quarter of a second. Raises Invalid.
    """
    user = asked.user
    party, _name = _party(), _good_name(name)
    _check_password(asked, password_is_right, "register")
    known = of(user)
    if len(known) >= MOST:
        raise Invalid(
            name=_("You have %(count)s passkeys. Remove one that you no longer use.", count=len(known))
        )
    return ceremony.registration_options(
        party,
        _new_challenge(Ceremony.REGISTER, asked, asked.id).challenge,
        hospital=hospital().name,
        user_id=user.id,
        email=user.email,
        name=user.name,
        known=[Known(each.credential_id, each.transports) for each in known],
    )


def register(asked: UserSession, *, name: str, given: str) -> Passkey:
    """Store the passkey that the browser has just created. Raises Counted (`passkey`), Invalid (`name`)."""
    user = asked.user
    name = _good_name(name)
    db.session.refresh(user, with_for_update=True)
    db.session.refresh(asked)
    try:
        if asked.ended_at is not None:  # somebody ended all sessions before we got the lock
            raise NotTaken("too late")
        kept = _take_challenge(_of_session(Ceremony.REGISTER, asked, asked.id))
        found = ceremony.check_registration(_party(), kept, given)
        if db.session.scalar(select(Passkey.id).where(Passkey.credential_id == found.credential_id)):
            raise NotTaken("known already")
    except NotTaken as refusal:
        raise _refuse(refusal, asked, Ceremony.REGISTER) from None
    passkey = Passkey(
        id=uuid.uuid4(),
        user_id=user.id,
        name=name,
        credential_id=found.credential_id,
        public_key=found.public_key,
        sign_count=found.sign_count,
        transports=found.transports,
        synced=found.synced,
    )
    db.session.add(passkey)
    db.session.flush()
    db.session.expire(user, ["passkeys"])
    record("passkey.added", passkey, by=user)
    owe(MailKind.PASSKEY_ADDED, user, passkey.id)
    return passkey


def _check_password(asked: UserSession, right: bool, purpose: str) -> None:
    if not right:
        second_factor_tries.count_wrong(asked)
        record("passkey.refused", asked.user, by=asked.user, purpose=purpose, reason="password")
        raise Counted(current_password=_("This is not your current password."))


def _good_name(name: str) -> str:
    if not name.strip():
        raise Invalid(name=_("Give the passkey a name, such as “My phone”."))
    if len(name.strip()) > NAME_MAX:
        raise Invalid(name=_("The name can have at most %(most)s characters.", most=NAME_MAX))
    return name.strip()


def remove(asked: UserSession, passkey_id: uuid.UUID, *, password_is_right: bool) -> str:
    """Remove one of the user's own passkeys; returns its name. Refuses the last one of somebody who needs one.

    Raises NotFound, StateConflict, Counted (`current_password`).
    """
    user = asked.user
    db.session.refresh(user, with_for_update=True)
    found = db.session.get(Passkey, passkey_id)
    if found is None or found.user_id != user.id:
        raise NotFound(_("There is no such passkey."))
    if second_factor_tries.needs_passkey(user) and len(of(user)) == 1:
        raise StateConflict(_("Administrators need a passkey here. Add another one before you remove this."))
    _check_password(asked, password_is_right, "remove")
    name = found.name
    record("passkey.removed", found, by=user)
    owe(MailKind.PASSKEY_REMOVED, user, found.id)
    db.session.delete(found)
    db.session.flush()
    db.session.expire(user, ["passkeys"])
    return name


def remove_all(user: User, *, made_before: datetime) -> int:
    """For a reset of the second factor (`csss.auth.account_decisions`); returns how many were removed."""
    return changed_rows(delete(Passkey).where(Passkey.user_id == user.id, Passkey.created_at < made_before))


# Use a passkey.


def ask(asked: UserSession, purpose: CodePurpose, subject_id: uuid.UUID) -> str:
    """Options with which the user's browser requests a passkey for exactly this purpose and subject."""
    party, known = _party(), of(asked.user)
    if not known:
        raise StateConflict(_("No passkey is registered for this account."))
    kept = _new_challenge(_CEREMONIES[purpose], asked, subject_id)
    return ceremony.assertion_options(
        party, kept.challenge, [Known(each.credential_id, each.transports) for each in known]
    )


def show(asked: UserSession, purpose: CodePurpose, subject_id: uuid.UUID, given: str) -> Proof:
    """Accept a passkey's answer as the second factor. Raises Counted (`passkey`), so that failed attempts count."""
    user = asked.user
    db.session.refresh(user, with_for_update=True)
    try:
        kept = _take_challenge(_of_session(_CEREMONIES[purpose], asked, subject_id))
        passkey = _checked(kept, given, of(user))
    except NotTaken as refusal:
        raise _refuse(refusal, asked, _CEREMONIES[purpose]) from None
    record("passkey.used", passkey, by=user, purpose=purpose.value)
    return Proof(user.id, purpose, subject_id, PASSKEY)


def ask_anybody() -> tuple[uuid.UUID, str]:
    """Sign-in without address and password: the id of the challenge, and options that name nobody."""
    party, kept = _party(), _new_challenge(Ceremony.WITHOUT_PASSWORD, None, None)
    return kept.id, ceremony.assertion_options(party, kept.challenge, [])


def person_of(question_id: uuid.UUID | None, given: str) -> User:
    """The person whose passkey answered this challenge, whatever the account's state. Raises Counted (`passkey`)."""
    try:
        kept = _take_challenge(
            (PasskeyChallenge.ceremony == Ceremony.WITHOUT_PASSWORD) & (PasskeyChallenge.id == question_id)
        )
        named = ceremony.claim(given).user_id
        user = db.session.get(User, named, with_for_update=True, populate_existing=True) if named else None
        if user is None:
            raise NotTaken("unknown")
        passkey = _checked(kept, given, of(user))
    except NotTaken as refusal:
        raise _refuse(refusal, None, Ceremony.WITHOUT_PASSWORD) from None
    record("passkey.used", passkey, by=user, purpose=Ceremony.WITHOUT_PASSWORD.value)
    return user


def _checked(kept: bytes, given: str, passkeys: Sequence[Passkey]) -> Passkey:
    """The passkey that has answered; updates its counter. Raises NotTaken."""
    claim = ceremony.claim(given)
    passkey = next((each for each in passkeys if each.credential_id == claim.credential_id), None)
    if passkey is None or claim.user_id not in {None, passkey.user_id}:
        raise NotTaken("unknown")
    shown = ceremony.check_assertion(
        _party(), kept, given, public_key=passkey.public_key, sign_count=passkey.sign_count
    )
    passkey.sign_count, passkey.synced, passkey.last_used_at = shown.sign_count, shown.synced, now()
    return passkey


# Challenges.


def _of_session(purpose: Ceremony, asked: UserSession, subject_id: uuid.UUID) -> ColumnElement[bool]:
    return (
        (PasskeyChallenge.session_id == asked.id)
        & (PasskeyChallenge.ceremony == purpose)
        & (PasskeyChallenge.subject_id == subject_id)
    )


def _new_challenge(
    purpose: Ceremony, asked: UserSession | None, subject_id: uuid.UUID | None
) -> PasskeyChallenge:
    """Store a random challenge; delete the previous one, and expired ones."""
    over = PasskeyChallenge.expires_at < now()
    if asked is not None and subject_id is not None:
        db.session.refresh(
            asked.user, with_for_update=True
        )  # otherwise two concurrent challenges would both stay valid
        over |= _of_session(purpose, asked, subject_id)
    db.session.execute(delete(PasskeyChallenge).where(over))
    kept = PasskeyChallenge(
        id=uuid.uuid4(),
        session_id=asked.id if asked else None,
        ceremony=purpose,
        subject_id=subject_id,
        challenge=random.token_bytes(32),
        expires_at=now() + LIFE,
    )
    db.session.add(kept)
    db.session.flush()
    return kept


def _take_challenge(which: ColumnElement[bool]) -> bytes:
    """The open challenge; it is used up whatever the answer. Raises NotTaken."""
    kept = db.session.scalars(select(PasskeyChallenge).where(which).with_for_update()).one_or_none()
    if kept is None:
        raise NotTaken("no question")
    db.session.delete(kept)
    db.session.flush()
    if now() >= kept.expires_at:
        raise NotTaken("too late")
    return kept.challenge


def _refuse(refusal: Exception, asked: UserSession | None, purpose: Ceremony) -> Counted:
    """Record that an answer was refused, and say so without revealing why."""
    reason = str(refusal)
    user = asked.user if asked else None
    record("passkey.refused", user, by=user, purpose=purpose.value, reason=reason)
    if asked is not None:
        second_factor_tries.count_wrong(asked)
    if reason in {"no question", "too late"}:
        return Counted(passkey=_TOO_LATE)
    if reason == "known already":
        return Counted(passkey=_("This passkey is registered already."))
    return Counted(passkey=_REFUSED)


def password_is_right(user: User, password: str) -> bool:
    """Only reads, and belongs outside transaction(): hashing takes a quarter of a second, and no lock may be held
    that long."""
    password_hash = user.password_hash
    db.session.commit()
    return secrets.password_matches(password, password_hash)
