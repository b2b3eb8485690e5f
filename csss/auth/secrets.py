"""Derive keys from the secret key, encrypt and hash with them, and hash passwords."""

import base64
import hashlib
import hmac
import logging
import secrets

import bcrypt
from cryptography.fernet import Fernet, InvalidToken
from flask import current_app

log = logging.getLogger(__name__)


class CannotDecrypt(RuntimeError):
    """A stored secret cannot be decrypted: the secret key has changed since."""


def _subkey(purpose: str, secret: str | None = None) -> bytes:
    """32 bytes for one purpose (HMAC-SHA-256 of the purpose under the secret key), so that no key serves two
    purposes."""
    key = str(current_app.config["SECRET_KEY"]) if secret is None else secret
    return hmac.new(key.encode(), f"csss:{purpose}".encode(), hashlib.sha256).digest()


def keyed_hash(purpose: str, *parts: str) -> str:
    """HMAC-SHA-256 in hexadecimal: without the key nobody can try all six-digit codes against the table."""
    return hmac.new(_subkey(purpose), "\x1f".join(parts).encode(), hashlib.sha256).hexdigest()


def encrypt(purpose: str, text: str) -> str:
    return Fernet(base64.urlsafe_b64encode(_subkey(purpose))).encrypt(text.encode()).decode()


def decrypt(purpose: str, token: str, secret: str | None = None) -> str:
    """Decrypt what was encrypted for this purpose, with the current secret key or with `secret`. Raises
    CannotDecrypt."""
    try:
        return Fernet(base64.urlsafe_b64encode(_subkey(purpose, secret))).decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise CannotDecrypt("A kept secret does not open. Was CSSS_SECRET_KEY changed?") from error


def opened(purpose: str, token: str | None, what: str) -> str | None:
    """A kept secret; None when none is kept, and, with a warning in the log, when it does not open with this secret key."""
    if token is None:
        return None
    try:
        return decrypt(purpose, token)
    except CannotDecrypt:
        log.warning("%s does not open with this secret key", what)
        return None


def opens(purpose: str, token: str, secret: str | None = None) -> bool:
    """Whether a stored secret can be decrypted: not after a restore without the key that encrypted it."""
    try:
        decrypt(purpose, token, secret)
    except CannotDecrypt:
        return False
    return True


def _prehash(password: str) -> bytes:
    """bcrypt reads at most 72 bytes and stops at a zero byte; base64 of SHA-256 has 44 bytes and no zero byte."""
    return base64.b64encode(hashlib.sha256(password.encode()).digest())


def hash_password(password: str) -> str:
    rounds = current_app.config["CSSS"].bcrypt_rounds
    return bcrypt.hashpw(_prehash(password), bcrypt.gensalt(rounds)).decode()


def password_matches(password: str, password_hash: str | None) -> bool:
    """Compare in constant time, also for an unknown person (`password_hash` None), so that the time reveals
    nothing."""
    if password_hash is None:
        hash_password(password)
        return False
    return bcrypt.checkpw(_prehash(password), password_hash.encode())


def new_session_key() -> str:
    return secrets.token_urlsafe(32)


def new_link_token() -> str:
    """A token for a link by mail: 256 random bits, stored only as `keyed_hash`."""
    return secrets.token_urlsafe(32)


def session_key_hash(key: str) -> str:
    """Plain SHA-256 is enough: the key has 256 random bits."""
    return hashlib.sha256(key.encode()).hexdigest()
