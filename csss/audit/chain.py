"""The chain that makes the audit log tell of tampering.

Every event is sealed in the transaction that records it: it gets the next number, and the SHA-256 over the hash before
it and its own canonical JSON; an HMAC under the secret key says that it was us. Who can write to the database but has
not the key can remove triggers and rows, but can neither change nor make a seal.

On PostgreSQL one lock orders the seals of all processes. It is taken when everything else of a transaction has been
written (`before_commit`), so it is held for two short statements and the commit, and whoever holds it waits for no
other lock: transactions may have locked what they like, in any order, and no deadlock can come of it. On SQLite there
is one writer anyway.
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

BEGINNING = "0" * 64  # what stands before the first event


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
    """An event as one line of JSON, alike however and wherever it was read."""
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
            ),  # as it will be read: keys are texts, tuples lists
        },
        sort_keys=True,
        separators=(",", ":"),
    )


def link(before: str, line: str) -> str:
    """The hash of an event whose canonical JSON is `line`, behind the event with the hash `before`."""
    return hashlib.sha256(f"{before}\n{line}".encode()).hexdigest()


class Key:
    """What signs the hashes: follows from the secret key, and serves nothing else."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.new(secret.encode(), b"csss:audit-chain", hashlib.sha256).digest()
        self.id = self.sign("key")[:8]

    def sign(self, message: str) -> str:
        return hmac.new(self._key, message.encode(), hashlib.sha256).hexdigest()

    def signed(self, message: str, mac: str) -> bool:
        return hmac.compare_digest(self.sign(message), mac)

    def made(self, seal: Any) -> bool:
        """Whether a seal (a row with hash, mac and key_id) was made with this key."""
        return seal.key_id == self.id and self.signed(seal.hash, seal.mac)


def current_key() -> Key:
    return Key(str(current_app.config["SECRET_KEY"]))


@dataclass(frozen=True)
class ChainHead:
    """The newest seal: who has kept it elsewhere can tell whether anything before it was changed or taken away."""

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
    """The head, kept by this transaction until it ends: whoever seals waits. Nothing may be waited for after it.

    Raises WrongKey when the secret key is not the one of the database: a seal made with another one would mark the log for
    good. `any_key` is for whoever changes the key.

    On PostgreSQL a function of the database locks and reads in one go (migration 0017): a process that has many threads
    may take a while between two statements, and all that while everybody else would wait.
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
    """Where there is no check value yet, the newest seal tells, and the value is kept with what is being written."""
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
    """Put these events, which this transaction has written, at the end of the chain. For `before_commit` alone."""
    kept = [event for event in events if inspect(event).persistent]  # others went with a savepoint
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
