"""Chain the events of the audit log, so that tampering is detected.

Every event is sealed in the transaction that records it. It gets the next number, and the SHA-256 over the previous
hash and its own canonical JSON; an HMAC under the secret key proves that this application made the seal. An
attacker who can write to the database but lacks the key can remove triggers and rows, but can neither change nor
create a seal.

On PostgreSQL one lock orders the seals of all processes. A transaction takes it after everything else is written
(`before_commit`), so it is held only for two short statements and the commit, and its holder waits for no other
lock. So transactions may lock anything else in any order, and this lock causes no deadlock. SQLite has only one
writer anyway.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from flask import current_app
from sqlalchemy import Select, insert, inspect, select, text

from csss.audit.models import AuditEvent, AuditSeal
from csss.database import db
from csss.key_checks import SECRET_KEY, KeyCheck, WrongKey, other_key, secret_key_value

BEGINNING = "0" * 64  # the hash before the first event


class Content(Protocol):
    """The columns of an event, as a row or as an object."""

    id: Any
    at: Any
    action: Any
    actor_id: Any
    actor_role: Any
    subject_type: Any
    subject_id: Any
    origin: Any
    detail: Any


def canonical(number: int, event: Content) -> str:
    """An event as one line of JSON, identical however and wherever it was read."""
    at: datetime = event.at
    return json.dumps(
        {
            "number": number,
            "event": event.id,
            "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
            "action": event.action,
            "actor": None if event.actor_id is None else str(event.actor_id),
            "role": event.actor_role,
            "subject_type": event.subject_type,
            "subject": event.subject_id,
            "origin": event.origin,
            "detail": json.loads(
                json.dumps(event.detail)
            ),  # as it will be read back: keys are strings, tuples are lists
        },
        sort_keys=True,
        separators=(",", ":"),
    )


def link(before: str, line: str) -> str:
    """The hash of an event whose canonical JSON is `line`, after the event with the hash `before`."""
    return hashlib.sha256(f"{before}\n{line}".encode()).hexdigest()


class Key:
    """The key that signs the hashes: derived from the secret key, and used for nothing else."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.new(secret.encode(), b"csss:audit-chain", hashlib.sha256).digest()
        self.id = self.sign("key")[:8]

    def sign(self, message: str) -> str:
        return hmac.new(self._key, message.encode(), hashlib.sha256).hexdigest()

    def signed(self, message: str, mac: str) -> bool:
        return hmac.compare_digest(self.sign(message), mac)

    def made(self, seal: Any) -> bool:
        """Whether this key made a seal (a row with hash, mac and key_id)."""
        return seal.key_id == self.id and self.signed(seal.hash, seal.mac)


def current_key() -> Key:
    return Key(str(current_app.config["SECRET_KEY"]))


@dataclass(frozen=True)
class ChainHead:
    """The newest seal. A copy of it elsewhere shows whether anything before it was changed or removed."""

    number: int = 0
    hash: str = BEGINNING


def head() -> ChainHead:
    newest = select(AuditSeal.number, AuditSeal.hash).order_by(AuditSeal.number.desc()).limit(1)
    row = db.session.execute(newest).one_or_none()
    return ChainHead(*row) if row else ChainHead()


def newest_seal() -> Select[int, str, str, str]:
    columns = (AuditSeal.number, AuditSeal.hash, AuditSeal.mac, AuditSeal.key_id)
    return select(*columns).order_by(AuditSeal.number.desc()).limit(1)


def lock(*, any_key: bool = False) -> ChainHead:
    """The head of the chain, locked until the transaction ends, so that other sealing transactions wait. The caller
    must not wait for any other lock afterwards.

    Raises WrongKey when the secret key is not the database's: a seal made with another key would mark the log for
    ever. `any_key` is for changing the key.

    On PostgreSQL a database function locks and reads in one call (migration 0017). A process with many threads may
    take a while between two statements, and everybody else would wait that long.
    """
    # On SQLite the transaction is the only writer already.
    query = _LOCKED if db.engine.dialect.name == "postgresql" else _READ
    row = db.session.execute(query).one()
    if not any_key:
        _check_key(row.secret_key)
    return ChainHead(row.number, row.hash) if row.number is not None else ChainHead()


_LOCKED = text("SELECT number, hash, secret_key FROM csss_audit_end()")
_READ = text(
    "SELECT newest.number, newest.hash, checks.value AS secret_key FROM (SELECT 1) "
    "LEFT JOIN (SELECT number, hash FROM audit_seals ORDER BY number DESC LIMIT 1) newest "
    "LEFT JOIN key_checks checks ON checks.name = 'secret key'"
)


def _check_key(known: str | None) -> None:
    """Without a check value yet, compare with the newest seal; the value is stored together with what is being
    written."""
    secret = str(current_app.config["SECRET_KEY"])
    value = secret_key_value(secret)
    if known is None:
        newest = db.session.execute(newest_seal()).first()
        if newest is None or Key(secret).made(newest):
            db.session.execute(insert(KeyCheck).values(name=SECRET_KEY, value=value))
            return
    if known != value:
        raise WrongKey(other_key(current_app.config["CSSS"], SECRET_KEY))


def seal(events: list[AuditEvent]) -> None:
    """Append these events, written by this transaction, to the chain. Only for `before_commit`."""
    kept = [
        event for event in events if inspect(event).persistent
    ]  # the others were rolled back with a savepoint
    if not kept:
        return
    newest, key = lock(), current_key()
    number, before = newest.number, newest.hash
    rows = []
    for event in sorted(kept, key=lambda each: each.id):
        number += 1
        before = link(before, canonical(number, event))
        rows.append(
            {
                "number": number,
                "event_id": event.id,
                "hash": before,
                "mac": key.sign(before),
                "key_id": key.id,
            }
        )
    db.session.execute(insert(AuditSeal), rows)
