"""Change the secret key: re-encrypt stored secrets, end what cannot be re-encrypted, and record the change in the
audit log.

The seals of the audit log stay unchanged. The event of the change is sealed with the new key, over the hashes of
everything before it, and names the keys whose seals were checked at that moment. So the new key alone verifies the
whole log. Nobody who has an earlier key can rewrite what was before, or continue with that key
(`csss.audit.verify`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from flask import current_app

from csss.audit import anchors, chain
from csss.audit.record import record
from csss.audit.verify import KEY_CHANGED, verify
from csss.auth import secrets
from csss.auth.models import OneTimeCode, PasswordReset, RecoveryCode, UserSession
from csss.clock import now
from csss.database import changed_rows, db
from csss.key_checks import SECRET_KEY, KeyCheck, secret_key_value
from csss.keys.evidence import KEPT_SECRETS


class CannotChange(Exception):
    """The change is refused and nothing was changed. `problems`: what the check of the audit log found."""

    def __init__(self, sentence: str, problems: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.problems = list(problems)


@dataclass
class KeyChange:
    """What a change has re-encrypted, lost and ended."""

    authenticators: int = 0  # re-encrypted
    passphrases: int = 0
    lost_authenticators: int = 0  # cannot be decrypted any more
    lost_passphrases: int = 0
    recovery_codes: int = 0  # ended, like the following
    codes: int = 0
    links: int = 0
    sessions: int = 0

    def sentences(self) -> list[str]:
        """Describe it for the person who ran the command."""
        told = []
        if self.authenticators or self.passphrases:
            told.append(
                f"Re-encrypted: {self.authenticators} authenticator apps and {self.passphrases} pass phrases."
            )
        if self.lost_authenticators:
            told.append(
                f"Lost: {self.lost_authenticators} authenticator apps do not open. Their owners sign in with a code by "
                "mail, and set up the app again on their account's page."
            )
        if self.lost_passphrases:
            told.append(
                f"Lost: {self.lost_passphrases} report pass phrases do not open. Reports to these patients go out as a "
                "notice without the report, until they set a new pass phrase."
            )
        if self.recovery_codes:
            told.append(f"Ended: {self.recovery_codes} recovery codes. Their owners have to make new ones.")
        if self.codes or self.links:
            told.append(
                f"Ended: {self.codes} mailed codes and {self.links} links for a new password. They can be asked for again; "
                "so can links that confirm an address."
            )
        told.append(f"Ended: {self.sessions} sessions. Everybody has to sign in again.")
        return told


def is_in_use() -> bool:
    """Whether the database already uses the secret key in the settings."""
    known = db.session.get(KeyCheck, SECRET_KEY)
    return known is not None and known.value == secret_key_value(_new())


def change(old: str, earlier: Sequence[str] = (), *, force: bool = False) -> KeyChange:
    """Change from the secret key `old` to the one in the settings, completely or not at all. Raises CannotChange.

    `earlier` are keys from before `old`, for a log without a record of that change. Belongs inside transaction().
    """
    chain.lock(any_key=True)
    known = db.session.get(KeyCheck, SECRET_KEY)
    if known is not None and known.value != secret_key_value(old):
        raise CannotChange("The given old key is not the key of this database.")
    keys = [chain.Key(each) for each in (old, _new(), *earlier)]
    verdict = verify(keys, anchors.kept(anchors.path()))
    if verdict.problems and not force:
        raise CannotChange(
            "The audit log is not intact according to the old key. Nothing was changed. Investigate first; --force changes "
            "the key all the same, and records how much was wrong.",
            verdict.problems,
        )
    outcome = _go_over(old)
    new = chain.current_key()
    record(
        KEY_CHANGED,
        key=new.id,
        earlier=sorted(verdict.keys - {new.id}),
        number=verdict.head.number,
        hash=verdict.head.hash,
        problems=len(verdict.problems),
        **asdict(outcome),
    )
    return outcome


def go_on_without_old_key() -> KeyChange:
    """Use the key in the settings although nobody has the previous one. Secrets encrypted with that are lost, and
    its seals stay unchecked: `csss audit verify` reports them until it gets that key. Belongs inside transaction()."""
    chain.lock(any_key=True)
    outcome, new = _go_over(None), chain.current_key()
    record(KEY_CHANGED, key=new.id, earlier=[], without_old_key=True, **asdict(outcome))
    return outcome


def _go_over(old: str | None) -> KeyChange:
    outcome = KeyChange()
    outcome.authenticators, outcome.lost_authenticators = _encrypt_anew(*KEPT_SECRETS[0], old)
    outcome.passphrases, outcome.lost_passphrases = _encrypt_anew(*KEPT_SECRETS[1], old)
    # Stored as keyed hashes, so a correct code could not be recognised with the new key.
    outcome.recovery_codes = _end(RecoveryCode, RecoveryCode.used_at, RecoveryCode.used_at.is_(None))
    outcome.codes = _end(
        OneTimeCode,
        OneTimeCode.cancelled_at,
        OneTimeCode.used_at.is_(None),
        OneTimeCode.cancelled_at.is_(None),
        OneTimeCode.code_hash.is_not(None),
        OneTimeCode.expires_at > now(),
    )
    outcome.links = _end(
        PasswordReset,
        PasswordReset.cancelled_at,
        PasswordReset.used_at.is_(None),
        PasswordReset.cancelled_at.is_(None),
        PasswordReset.token_hash.is_not(None),
        PasswordReset.expires_at > now(),
    )
    # The cookie is encrypted with the key.
    outcome.sessions = _end(UserSession, UserSession.ended_at, UserSession.ended_at.is_(None))
    value = secret_key_value(_new())
    if (
        changed_rows(
            sa.update(KeyCheck).where(KeyCheck.name == SECRET_KEY).values(value=value, created_at=now())
        )
        == 0
    ):
        db.session.execute(sa.insert(KeyCheck).values(name=SECRET_KEY, value=value))
    return outcome


def _encrypt_anew(table: str, column: str, purpose: str, old: str | None) -> tuple[int, int]:
    """Re-encrypt; returns how many secrets open with the new key, and how many with neither (left unchanged)."""
    rows = sa.table(table, sa.column("id", sa.Uuid()), sa.column(column, sa.String()))
    kept, lost = 0, 0
    for row_id, token in db.session.execute(
        sa.select(rows.c.id, rows.c[column]).where(rows.c[column].is_not(None))
    ).all():
        if secrets.opens(purpose, token):
            kept += 1
        elif old is not None and secrets.opens(purpose, token, old):
            anew = secrets.encrypt(purpose, secrets.decrypt(purpose, token, old))
            db.session.execute(sa.update(rows).where(rows.c.id == row_id).values({column: anew}))
            kept += 1
        else:
            lost += 1
    return kept, lost


def _end(model: type, column: Any, *conditions: sa.ColumnElement[bool]) -> int:
    return changed_rows(sa.update(model).where(*conditions).values({column: now()}))


def _new() -> str:
    return str(current_app.config["SECRET_KEY"])
