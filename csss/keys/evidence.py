"""Check a key for which the database has no check value yet, by what was encrypted or signed with it before."""

import logging
from collections.abc import Iterator

import sqlalchemy as sa

from csss.audit import chain
from csss.auth import secrets
from csss.config import Settings
from csss.storage import open_storage
from csss.storage.files import CannotOpen
from csss.storage.keys import StorageKey

log = logging.getLogger(__name__)

# Encrypted secrets: table, column, and the purpose of the key.
KEPT_SECRETS = (
    ("users", "totp_secret", "totp"),
    ("patients", "report_passphrase", "report-passphrase"),
)
_TRIED = 50


def against_secret_key(connection: sa.Connection, secret: str) -> bool:
    """Whether another secret key made the newest seal, or stored secrets exist and none can be decrypted."""
    tables = set(sa.inspect(connection).get_table_names())
    if "audit_seals" in tables:
        newest = connection.execute(chain.newest_seal()).first()
        if newest is not None and not chain.Key(secret).made(newest):
            return True
    opened = [opens for opens in _tried(connection, tables, secret)]
    return bool(opened) and not any(opened)


def _tried(connection: sa.Connection, tables: set[str], secret: str) -> Iterator[bool]:
    """For a sample of the stored secrets, whether they can be decrypted."""
    for table, column, purpose in KEPT_SECRETS:
        if table not in tables:
            continue
        kept = sa.column(column, sa.String())
        query = sa.select(kept).select_from(sa.table(table)).where(kept.is_not(None)).limit(_TRIED)
        for token in connection.scalars(query):
            yield secrets.opens(purpose, token, secret)


def against_storage_key(settings: Settings, key: StorageKey) -> bool:
    """Whether there are stored files that name this key, and none of the sampled ones opens.

    Reads at most the beginning of every stored file, once for each key.
    """
    kept, failed = open_storage(settings, [key]), 0
    for name, key_id in kept.key_ids():
        if key_id != key.id:
            continue
        try:
            kept.read(name)
        except FileNotFoundError:
            continue
        except CannotOpen:
            failed += 1
            if failed == _TRIED:
                return True
        else:
            return False
    return failed > 0
