"""A passkey in software: answers WebAuthn questions as a browser with a security key would, and wrongly when told to."""

import json
import os
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn import base64url_to_bytes
from webauthn.helpers import bytes_to_base64url

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass
class Authenticator:
    """One key pair (EC P-256). `origin` is what the browser around it says it is at."""

    origin: str = "http://localhost:8000"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    counter: int = 0
    verifies: bool = True  # asks for a finger or a PIN
    user_handle: bytes | None = None

    def create(self, options: dict[str, Any]) -> str:
        """The answer to the options for a new passkey."""
        self.user_handle = base64url_to_bytes(options["user"]["id"])
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + self._cose()
        data = self._data(options["rp"]["id"], ATTESTED) + attested
        client = self._client("webauthn.create", options["challenge"])
        return self._answer(
            clientDataJSON=client,
            attestationObject=cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data}),
        )

    def get(self, options: dict[str, Any], **wrong: Any) -> str:
        """The answer to a question. `wrong` replaces parts: challenge, kind, rp, signature, credential_id, user_handle."""
        self.counter += 1
        client = self._client(wrong.get("kind", "webauthn.get"), wrong.get("challenge", options["challenge"]))
        data = self._data(wrong.get("rp", options["rpId"]))
        signature = self.key.sign(data + sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            wrong.get("credential_id"),
            clientDataJSON=client,
            authenticatorData=data,
            signature=wrong.get("signature", signature),
            userHandle=wrong.get("user_handle", self.user_handle),
        )

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps(
            {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        ).encode()

    def _data(self, rp_id: str, flags: int = 0) -> bytes:
        flags |= PRESENT | (VERIFIED if self.verifies else 0)
        return sha256(rp_id.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4, "big")

    def _cose(self) -> bytes:
        numbers = self.key.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})

    def _answer(self, credential_id: bytes | None = None, **parts: bytes | None) -> str:
        number = bytes_to_base64url(credential_id or self.credential_id)
        response: dict[str, Any] = {name: bytes_to_base64url(part) for name, part in parts.items() if part}
        return json.dumps(
            {
                "id": number,
                "rawId": number,
                "type": "public-key",
                "response": {**response, "transports": ["usb", "nfc"]},
            }
        )
