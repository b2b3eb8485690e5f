"""Speak WebAuthn, as far as this system needs it: options for a browser, and verification of the answer.

The library is imported inside the functions: it takes 0.2 s and 16 MB, which workers and commands can avoid.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from csss.config import RelyingParty

if TYPE_CHECKING:
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

LONGEST_ANSWER = 20_000  # characters; an answer with a large key has about 2,000
LONGEST_ID = 1023  # bytes, WebAuthn section 4
_TIMEOUT = 120_000  # milliseconds that the browser waits for the person


class NotTaken(Exception):
    """The answer proves nothing. The text is our own word for the audit log; nothing from the answer goes into it."""


@dataclass(frozen=True)
class Known:
    """What a browser is told about an existing passkey."""

    credential_id: str
    transports: str


@dataclass(frozen=True)
class Registered:
    credential_id: str
    public_key: bytes
    sign_count: int
    transports: str
    synced: bool


@dataclass(frozen=True)
class ClaimedPasskey:
    """Which passkey an answer claims to come from. Nothing is proven yet."""

    credential_id: str
    user_id: uuid.UUID | None


@dataclass(frozen=True)
class Shown:
    sign_count: int
    synced: bool


def registration_options(
    party: RelyingParty,
    challenge: bytes,
    *,
    hospital: str,
    user_id: uuid.UUID,
    email: str,
    name: str,
    known: Sequence[Known],
) -> str:
    """JSON for `navigator.credentials.create()`. No attestation: the make of the device does not matter."""
    import webauthn
    from webauthn.helpers.structs import (
        AttestationConveyancePreference,
        AuthenticatorSelectionCriteria,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    return webauthn.options_to_json(
        webauthn.generate_registration_options(
            rp_id=party.id,
            rp_name=f"CSSS {hospital}",
            user_id=user_id.bytes,
            user_name=email,
            user_display_name=name,
            challenge=challenge,
            timeout=_TIMEOUT,
            attestation=AttestationConveyancePreference.NONE,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[_descriptor(each) for each in known],
        )
    )


def assertion_options(party: RelyingParty, challenge: bytes, known: Sequence[Known]) -> str:
    """JSON for `navigator.credentials.get()`; with an empty `known`, the device offers all passkeys that it has for
    this site."""
    import webauthn
    from webauthn.helpers.structs import UserVerificationRequirement

    return webauthn.options_to_json(
        webauthn.generate_authentication_options(
            rp_id=party.id,
            challenge=challenge,
            timeout=_TIMEOUT,
            allow_credentials=[_descriptor(each) for each in known],
            user_verification=UserVerificationRequirement.REQUIRED,
        )
    )


def _descriptor(known: Known) -> "PublicKeyCredentialDescriptor":
    import webauthn
    from webauthn.helpers.structs import AuthenticatorTransport, PublicKeyCredentialDescriptor

    return PublicKeyCredentialDescriptor(
        id=webauthn.base64url_to_bytes(known.credential_id),
        transports=[AuthenticatorTransport(each) for each in known.transports.split(",") if each] or None,
    )


def check_registration(party: RelyingParty, challenge: bytes, given: str) -> Registered:
    """Verify the answer and return the new passkey. Raises NotTaken."""
    import webauthn
    from webauthn.helpers import bytes_to_base64url, parse_registration_credential_json

    try:
        answer = parse_registration_credential_json(_short(given))
        found = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except NotTaken:
        raise
    except Exception as error:
        # The library parses untrusted input, and raises many exceptions besides its own.
        raise NotTaken("not verified") from error
    if len(found.credential_id) > LONGEST_ID:
        raise NotTaken("not verified")
    return Registered(
        credential_id=bytes_to_base64url(
            found.credential_id
        ),  # the signed id, not the one that the browser states
        public_key=found.credential_public_key,
        sign_count=found.sign_count,
        transports=",".join(dict.fromkeys(each.value for each in answer.response.transports or ())),
        synced=found.credential_backed_up,
    )


def claim(given: str) -> ClaimedPasskey:
    """Parse which passkey an answer claims to be from. Raises NotTaken when it is no passkey's answer at all."""
    from webauthn.helpers import parse_authentication_credential_json

    try:
        answer = parse_authentication_credential_json(_short(given))
        handle = answer.response.user_handle
        return ClaimedPasskey(answer.id, uuid.UUID(bytes=handle) if handle else None)
    except NotTaken:
        raise
    except Exception as error:  # for the same reason as above
        raise NotTaken("unreadable") from error


def check_assertion(
    party: RelyingParty, challenge: bytes, given: str, *, public_key: bytes, sign_count: int
) -> Shown:
    """Verify that the holder of this key has just answered this challenge, on this site. Raises NotTaken."""
    import webauthn

    try:
        found = webauthn.verify_authentication_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
    except Exception as error:  # for the same reason as above
        # A counter that has not increased indicates a cloned device, so the audit log gets a word of its own for
        # it.
        raise NotTaken("counter" if "sign count" in str(error) else "not verified") from error
    return Shown(found.new_sign_count, found.credential_backed_up)


def _short(given: str) -> str:
    if len(given) > LONGEST_ANSWER:
        raise NotTaken("unreadable")
    return given
