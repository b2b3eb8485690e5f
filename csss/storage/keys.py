"""Parse the encryption keys of stored files from `CSSS_STORAGE_KEYS`: `id:base64,id:base64`."""

import base64
import binascii
import re
import secrets
from dataclasses import dataclass, field

KEY_BYTES = 32  # AES-256
_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")


@dataclass(frozen=True)
class StorageKey:
    """One key. Every file that it encrypts contains its id; the key itself is only in the setting."""

    id: str
    secret: bytes = field(repr=False)


def parse_keys(text: str) -> tuple[StorageKey, ...]:
    """The keys in order: the first one encrypts, all of them decrypt. Raises ValueError that says what is wrong.

    The message never repeats what follows a colon.
    """
    keys: list[StorageKey] = []
    for number, part in enumerate((each.strip() for each in text.split(",") if each.strip()), start=1):
        key_id, colon, encoded = part.partition(":")
        if not colon:
            raise ValueError(f"key {number} has no colon; each key is written id:base64")
        if not _ID.fullmatch(key_id):
            raise ValueError(f"the id of key {number} must have 1 to 32 letters, digits, dots, dashes or _")
        if key_id in {key.id for key in keys}:
            raise ValueError(f"the id {key_id} is listed twice")
        try:
            secret = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"the key {key_id} is not base64") from None
        if len(secret) != KEY_BYTES:
            raise ValueError(f"the key {key_id} has {len(secret)} bytes, and must have {KEY_BYTES}")
        keys.append(StorageKey(key_id, secret))
    return tuple(keys)


def new_key(key_id: str) -> str:
    """A new random key in the form of the setting. Raises ValueError for an id that the setting would refuse."""
    text = f"{key_id}:{base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}"
    parse_keys(text)
    return text
