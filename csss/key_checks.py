"""Store a check value of each key in the database, so that a wrong key is noticed before it does harm.

A check value is an HMAC under a key derived from the key itself: it reveals only whether a key is the same. The
secret key has one, and each storage key that has been in use has one under its id.
"""

import hashlib
import hmac
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from csss.clock import now
from csss.config import BadSetting
from csss.database import Model

if TYPE_CHECKING:
    from csss.config import Settings

SECRET_KEY = "secret key"


class WrongKey(BadSetting):
    """A key is not the one that the database was used with. The message is for the deployer."""


class KeyCheck(Model):
    """The check value of one key."""

    __tablename__ = "key_checks"

    name: Mapped[str] = mapped_column(String(50), primary_key=True)  # SECRET_KEY, or storage_key_name()
    value: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now)


def storage_key_name(key_id: str) -> str:
    return f"storage key {key_id}"


def check_value(name: str, key: bytes) -> str:
    """HMAC-SHA-256 of the name, in hexadecimal. It reveals nothing about a random key."""
    subkey = hmac.new(key, b"csss:key-check", hashlib.sha256).digest()
    return hmac.new(subkey, name.encode(), hashlib.sha256).hexdigest()


def secret_key_value(secret: str) -> str:
    return check_value(SECRET_KEY, secret.encode())


def check_values(settings: "Settings", secret: str) -> dict[str, str]:
    """The check value of every key in the settings, by its name."""
    storage_keys = ((storage_key_name(key.id), key.secret) for key in settings.storage_key_ring)
    return {
        SECRET_KEY: secret_key_value(secret),
        **{name: check_value(name, key) for name, key in storage_keys},
    }


def other_key(settings: "Settings", name: str) -> str:
    """The message for a key that differs from the one the database knows under this name."""
    if name == SECRET_KEY:
        if settings.secret_key:
            which = "CSSS_SECRET_KEY is not the key of this database."
        else:
            which = (
                f"The secret key in {settings.secret_key_file} is not the key of this database, and "
                "CSSS_SECRET_KEY is not set."
            )
        return f"{which} Set the right key. For a planned change there is `csss change-secret-key`."
    key_id = name.removeprefix(storage_key_name(""))
    return (
        f"The key with the id {key_id} in CSSS_STORAGE_KEYS is not this database's key of that id: what it encrypts would "
        "not open with the right one. Set the right key, or give a new key a new id."
    )
