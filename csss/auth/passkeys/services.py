"""The rules of passkeys: registering, showing and removing them. What changes something belongs inside transaction()."""

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
from csss.i18n import _, _l
from csss.notices.models import MailKind
from csss.notices.services import owe
from csss.people.models import User

PASSKEY = "passkey"  # the method of a Proof, and of a session that was begun with one
LIFE = timedelta(minutes=5)
MOST = 10
_CEREMONIES = {CodePurpose.SIGN_IN: Ceremony.SIGN_IN, CodePurpose.APPROVAL: Ceremony.APPROVAL}
_REFUSED = _l("This passkey was not accepted. Try again, or use another way.")
_TOO_LATE = _l("The question to your passkey is over: it works once, for five minutes. Try again.")


def available() -> bool:
    """Whether browsers make passkeys for this site at all."""
    return current_app.config["CSSS"].relying_party is not None


def _party() -> RelyingParty:
    party: RelyingParty | None = current_app.config["CSSS"].relying_party
    if party is None:
        raise StateConflict(_("Passkeys need an https address with a name. This site has none."))
    return party


def is_confined(session: UserSession) -> bool:
    """Whether this session may do nothing but register a passkey: its person needs one and has not shown one."""
    return second_factor_tries.needs_passkey(session.user) and session.method != PASSKEY


def offered(user: User) -> bool:
    """Whether this person can be asked for a passkey here."""
    return available() and bool(user.passkeys)


def of(user: User) -> Sequence[Passkey]:
    """A person's passkeys, the oldest first."""
    return db.session.scalars(
        select(Passkey).where(Passkey.user_id == user.id).order_by(Passkey.created_at, Passkey.id)
    ).all()


# Registering and removing


def begin_registration(asked: UserSession, *, name: str, password_is_right: bool) -> str:
    """Options for the browser. The password is asked again: a screen left open must not gain a second owner.

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
        hospital=current_app.config["CSSS"].hospital_name,
        user_id=user.id,
        email=user.email,
        name=user.name,
        known=[Known(each.credential_id, each.transports) for each in known],
    )


def register(asked: UserSession, *, name: str, given: str) -> Passkey:
    """Keep the passkey that the browser has just made. Raises Counted (`passkey`), Invalid (`name`)."""
    user = asked.user
    name = _good_name(name)
    db.session.refresh(user, with_for_update=True)
    db.session.refresh(asked)
    try:
        if asked.ended_at is not None:  # all sessions were ended until the person was locked
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
    """Remove one of the own passkeys; returns its name. The last one of somebody who needs one stays.

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
    """For a reset of the second factor (`csss.auth.account_decisions`); returns how many there were."""
    return changed_rows(delete(Passkey).where(Passkey.user_id == user.id, Passkey.created_at < made_before))


# Showing one


def ask(asked: UserSession, purpose: CodePurpose, subject_id: uuid.UUID) -> str:
    """Options with which this person's browser asks a passkey for this very purpose and subject."""
    party, known = _party(), of(asked.user)
    if not known:
        raise StateConflict(_("No passkey is registered for this account."))
    kept = _new_challenge(_CEREMONIES[purpose], asked, subject_id)
    return ceremony.assertion_options(
        party, kept.challenge, [Known(each.credential_id, each.transports) for each in known]
    )


def show(asked: UserSession, purpose: CodePurpose, subject_id: uuid.UUID, given: str) -> Proof:
    """Take a passkey's answer as the second factor. Raises Counted (`passkey`), so that failed tries count."""
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
    """For signing in without address and password: the number of the question, and options that name nobody."""
    party, kept = _party(), _new_challenge(Ceremony.WITHOUT_PASSWORD, None, None)
    return kept.id, ceremony.assertion_options(party, kept.challenge, [])


def person_of(question_id: uuid.UUID | None, given: str) -> User:
    """Whose passkey has answered this question, whatever the state of the account. Raises Counted (`passkey`)."""
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
    """The one of these passkeys that has answered; its counter goes on. Raises NotTaken."""
    claim = ceremony.claim(given)
    passkey = next((each for each in passkeys if each.credential_id == claim.credential_id), None)
    if passkey is None or claim.user_id not in {None, passkey.user_id}:
        raise NotTaken("unknown")
    shown = ceremony.check_assertion(
        _party(), kept, given, public_key=passkey.public_key, sign_count=passkey.sign_count
    )
    passkey.sign_count, passkey.synced, passkey.last_used_at = shown.sign_count, shown.synced, now()
    return passkey


# Challenges


def _of_session(purpose: Ceremony, asked: UserSession, subject_id: uuid.UUID) -> ColumnElement[bool]:
    return (
        (PasskeyChallenge.session_id == asked.id)
        & (PasskeyChallenge.ceremony == purpose)
        & (PasskeyChallenge.subject_id == subject_id)
    )


def _new_challenge(
    purpose: Ceremony, asked: UserSession | None, subject_id: uuid.UUID | None
) -> PasskeyChallenge:
    """A question nobody can foresee; the one before it, and what is over, goes."""
    over = PasskeyChallenge.expires_at < now()
    if asked is not None and subject_id is not None:
        db.session.refresh(asked.user, with_for_update=True)  # two questions at once would both live
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
    """The question that is open; it is used up whatever comes of the answer. Raises NotTaken."""
    kept = db.session.scalars(select(PasskeyChallenge).where(which).with_for_update()).one_or_none()
    if kept is None:
        raise NotTaken("no question")
    db.session.delete(kept)
    db.session.flush()
    if now() >= kept.expires_at:
        raise NotTaken("too late")
    return kept.challenge


def _refuse(refusal: Exception, asked: UserSession | None, purpose: Ceremony) -> Counted:
    """Keep that an answer was refused, and say so without telling what was wrong with it."""
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
    """Reads only, and belongs outside transaction(): hashing takes a quarter of a second, in which no lock may be held."""
    password_hash = user.password_hash
    db.session.commit()
    return secrets.password_matches(password, password_hash)
