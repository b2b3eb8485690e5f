"""Request and check the second factor: a code by e-mail, an authenticator app (TOTP), or a recovery code on paper."""

import hmac
import logging
import re
import secrets as random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import ColumnElement, func, select, update

from csss.audit.record import record
from csss.auth import authenticator_app, secrets, typed_codes
from csss.auth.models import CodePurpose, OneTimeCode, RecoveryCode
from csss.clock import now
from csss.database import changed_rows, db
from csss.errors import Counted, TooMany
from csss.i18n import gettext, ngettext
from csss.notices.models import MailKind, MailMessage
from csss.notices.services import owe
from csss.people.models import User

log = logging.getLogger(__name__)

MAX_TRIES = 5
RESEND_WINDOW = timedelta(minutes=15)
RESENDS_PER_WINDOW = 3
RECOVERY_CODES = 10
_SIX_DIGITS = re.compile("[0-9]{6}")  # \d would also match digits on which the ASCII comparison fails


@dataclass(frozen=True)
class Proof:
    """Proof that a person has just shown a second factor for a purpose and subject. Only `check` and
    `passkeys.services.show` create one."""

    user_id: uuid.UUID
    purpose: CodePurpose
    subject_id: uuid.UUID
    method: str  # "email_code", "authenticator", "recovery_code" or "passkey"


def code_life() -> timedelta:
    return timedelta(minutes=current_app.config["CSSS"].otp_minutes)


def request_code(
    user: User, purpose: CodePurpose, subject_id: uuid.UUID, session_id: uuid.UUID | None = None
) -> OneTimeCode:
    """Queue a code by e-mail, valid only in the requesting session; older codes of the same kind stop working.

    `session_id` is that session; omitted when the session is the subject itself. Raises TooMany after too many
    requests. Belongs inside transaction().
    """
    # Lock the user: two concurrent requests would each count one code too few, and both leave a valid code.
    db.session.refresh(user, with_for_update=True)
    _check_may_send(user, purpose, subject_id)
    db.session.execute(
        update(OneTimeCode)
        .where(
            *_same_kind(user, purpose, subject_id),
            OneTimeCode.used_at.is_(None),
            OneTimeCode.cancelled_at.is_(None),
        )
        .values(cancelled_at=now())
    )
    code = OneTimeCode(
        id=uuid.uuid4(),
        user_id=user.id,
        purpose=purpose,
        subject_id=subject_id,
        session_id=session_id or subject_id,
    )
    db.session.add(code)
    db.session.flush()
    owe(MailKind.CODE, user, code.id)
    record("code.requested", by=user, purpose=purpose.value)
    return code


def _same_kind(user: User, purpose: CodePurpose, subject_id: uuid.UUID) -> tuple[ColumnElement[bool], ...]:
    """Codes that a new one replaces: at sign-in, all of this person's; otherwise those for the same reports.

    A repeated sign-in has a new session. If codes were counted per session, it would reset the limits on sending
    and tries.
    """
    mine = (OneTimeCode.user_id == user.id, OneTimeCode.purpose == purpose)
    return mine if purpose is CodePurpose.SIGN_IN else (*mine, OneTimeCode.subject_id == subject_id)


def _check_may_send(user: User, purpose: CodePurpose, subject_id: uuid.UUID) -> None:
    """Allow three codes per quarter of an hour. A used code resets the count, because it proves that the owner
    asked."""
    since = now() - RESEND_WINDOW
    used = select(func.max(OneTimeCode.used_at)).where(*_same_kind(user, purpose, subject_id))
    last_use = db.session.scalar(used)
    if last_use is not None:
        since = max(since, last_use)
    sent = db.session.scalars(
        select(OneTimeCode)
        .where(*_same_kind(user, purpose, subject_id), OneTimeCode.requested_at > since)
        .order_by(OneTimeCode.requested_at.desc())
        .limit(RESENDS_PER_WINDOW)
    ).all()
    if len(sent) < RESENDS_PER_WINDOW:
        return
    wait = sent[-1].requested_at + RESEND_WINDOW - now()
    words = {"count": RESENDS_PER_WINDOW, "minutes": int(RESEND_WINDOW.total_seconds() // 60)}
    if sent[0].subject_id == subject_id:
        sentence = gettext(
            "%(count)s codes were asked for within %(minutes)s minutes. "
            "Use the newest one, or wait a while and ask again.",
            **words,
        )
    else:
        sentence = gettext(
            "%(count)s codes were asked for within %(minutes)s minutes for sign-ins started elsewhere. Wait "
            "a while "
            "and ask for a new one here, or use an authenticator app or a recovery code.",
            **words,
        )
    record("code.request_refused", by=user, purpose=purpose.value)
    raise TooMany(wait, code=sentence)


def draw_code(code: OneTimeCode) -> str:
    """Generate the six digits, store only their keyed hash, and start the code's lifetime. Only for the mail job."""
    digits = f"{random.randbelow(1_000_000):06d}"
    code.code_hash = _code_hash(code, digits)
    code.expires_at = now() + code_life()
    return digits


def _code_hash(code: OneTimeCode, digits: str) -> str:
    return secrets.keyed_hash("one-time-code", str(code.id), digits)


def check(
    user: User,
    purpose: CodePurpose,
    subject_id: uuid.UUID,
    given: str,
    session_id: uuid.UUID | None = None,
) -> Proof:
    """Accept a code of any of the three kinds; a mailed code only in the session that requested it
    (`request_code`).

    Raises Counted (an Invalid for the field `code`), which transaction() commits, so that failed attempts count.
    Belongs inside transaction().
    """
    db.session.refresh(user, with_for_update=True)  # lock: only one of two concurrent requests can use a code
    text = typed_codes.bare(given)
    method = None
    session_id = session_id or subject_id
    if _SIX_DIGITS.fullmatch(text):
        if _take_email_code(user, purpose, subject_id, session_id, text):
            method = "email_code"
        elif authenticator_app.take_code(user, text):
            method = "authenticator"
    elif is_recovery_code(text) and _take_recovery_code(user, text):
        method = "recovery_code"
    if method is None:
        record("code.refused", by=user, purpose=purpose.value)
        raise Counted(code=_refusal(user, purpose, subject_id, session_id, text))
    record("code.accepted", by=user, purpose=purpose.value, method=method)
    return Proof(user.id, purpose, subject_id, method)


def is_recovery_code(given: str) -> bool:
    """Whether this has the form of a recovery code, however it was typed."""
    return re.fullmatch(r"[0-9a-f]{16}", typed_codes.bare(given)) is not None


def newest_code(user: User, purpose: CodePurpose, subject_id: uuid.UUID) -> OneTimeCode | None:
    return db.session.scalars(
        select(OneTimeCode)
        .where(
            OneTimeCode.user_id == user.id,
            OneTimeCode.purpose == purpose,
            OneTimeCode.subject_id == subject_id,
        )
        .order_by(OneTimeCode.requested_at.desc())
        .limit(1)
    ).one_or_none()


@dataclass(frozen=True)
class SentCode:
    """A requested code, and the mail that carries it."""

    code: OneTimeCode
    message: MailMessage | None


def sent_code(
    user: User, purpose: CodePurpose, subject_id: uuid.UUID, session_id: uuid.UUID
) -> SentCode | None:
    """The newest code that this session requested; only for showing its progress, so nothing is locked."""
    row = db.session.execute(
        select(OneTimeCode, MailMessage)
        .outerjoin(
            MailMessage,
            (MailMessage.subject_id == OneTimeCode.id)
            & (MailMessage.kind == MailKind.CODE)
            & (MailMessage.user_id == OneTimeCode.user_id),
        )
        .where(
            OneTimeCode.user_id == user.id,
            OneTimeCode.purpose == purpose,
            OneTimeCode.subject_id == subject_id,
            OneTimeCode.session_id == session_id,
        )
        .order_by(OneTimeCode.requested_at.desc())
        .limit(1)
    ).one_or_none()
    return SentCode(row[0], row[1]) if row else None


def _usable(code: OneTimeCode | None, at: datetime) -> bool:
    return (
        code is not None
        and code.used_at is None
        and code.cancelled_at is None
        and code.code_hash is not None
        and code.expires_at is not None
        and at < code.expires_at
        and code.tries < MAX_TRIES
    )


def _take_email_code(
    user: User, purpose: CodePurpose, subject_id: uuid.UUID, session_id: uuid.UUID, digits: str
) -> bool:
    code = newest_code(user, purpose, subject_id)
    # A code of another session is not even tried, so that its owner does not lose one of the five tries.
    if code is None or code.session_id != session_id or not _usable(code, now()):
        return False
    code.tries += 1
    if not hmac.compare_digest(code.code_hash or "", _code_hash(code, digits)):
        return False
    code.used_at = now()
    return True


def _refusal(
    user: User, purpose: CodePurpose, subject_id: uuid.UUID, session_id: uuid.UUID, text: str
) -> str:
    if not text:
        return gettext(
            "Enter the six-digit code from the e-mail, a code from your authenticator app, or a recovery code."
        )
    code = newest_code(user, purpose, subject_id)
    if code is None or (code.code_hash is None and code.cancelled_at is None):
        if authenticator_app.app_is_lost(user):
            return gettext(
                "This code is not right. Codes of your authenticator app cannot be checked any more: ask for a code by "
                "e-mail, or use a recovery code."
            )
        return gettext("This code is not right.")
    if over := _over(code, session_id):
        return over
    left = MAX_TRIES - code.tries
    return ngettext(
        "This code is not right. %(num)s try is left.",
        "This code is not right. %(num)s tries are left.",
        left,
    )


def _over(code: OneTimeCode, session_id: uuid.UUID) -> str | None:
    """Why the newest code is not accepted here, or None when it would be."""
    if code.used_at is not None:
        return gettext("This code has been used already. Ask for a new one.")
    if code.session_id != session_id:
        return gettext(
            "The newest code was asked for on another device and works only there. Ask for a new one."
        )
    if code.tries >= MAX_TRIES:
        return gettext("Too many wrong tries. Ask for a new code.")
    if code.expires_at is not None and now() >= code.expires_at:
        return gettext("This code has expired. Ask for a new one.")
    if code.cancelled_at is not None:
        return gettext("A newer code has replaced this one. Use the newest, or ask for a new one.")
    return None


# Recovery codes.


def new_recovery_codes(user: User) -> Sequence[str]:
    """Ten new codes of 64 bits, shown once; older ones stop working. Belongs inside transaction()."""
    # Lock the user: of two concurrent requests, the later one ends the earlier one's codes. Not refresh(), which
    # would drop the caller's changes.
    db.session.execute(select(User.id).where(User.id == user.id).with_for_update())
    db.session.execute(
        update(RecoveryCode)
        .where(RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None))
        .values(used_at=now())
    )
    codes = [random.token_hex(8) for _ in range(RECOVERY_CODES)]
    for code in codes:
        db.session.add(RecoveryCode(user_id=user.id, code_hash=_recovery_hash(user, code)))
    record("second_factor.recovery_codes_made", user, by=user)
    owe(MailKind.RECOVERY_CODES_MADE, user, uuid.uuid4())
    return ["-".join(code[at : at + 4] for at in range(0, 16, 4)) for code in codes]


def recovery_codes_left(user: User) -> int:
    found = db.session.scalar(
        select(func.count()).where(RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None))
    )
    return found or 0


def _recovery_hash(user: User, code: str) -> str:
    return secrets.keyed_hash("recovery-code", str(user.id), code)


def _take_recovery_code(user: User, text: str) -> bool:
    taken = changed_rows(
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user.id,
            RecoveryCode.code_hash == _recovery_hash(user, text),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now())
    )
    return taken == 1
