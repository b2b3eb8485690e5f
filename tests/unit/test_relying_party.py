"""Whom passkeys are made for follows from the base URL; browsers make none for a bare IP address or without https."""

from pathlib import Path

import pytest

from csss.auth.passkeys.models import Passkey
from csss.config import BadSetting, Settings
from csss.database import db, transaction
from csss.installation_check import _passkeys
from tests.factories import Clinic


@pytest.mark.parametrize(
    ("base_url", "id", "origin"),
    [
        ("https://csss.hospital.example", "csss.hospital.example", "https://csss.hospital.example"),
        ("https://CSSS.Hospital.example:443/path", "csss.hospital.example", "https://csss.hospital.example"),
        ("https://csss.example:8443", "csss.example", "https://csss.example:8443"),
        ("http://localhost:8000", "localhost", "http://localhost:8000"),
        ("http://127.0.0.1:8000", "localhost", "http://localhost:8000"),
        ("http://localhost:80", "localhost", "http://localhost"),
    ],
)
def test_a_name_with_https_or_this_machine(base_url: str, id: str, origin: str) -> None:
    party = Settings(base_url=base_url).relying_party
    assert party is not None and (party.id, party.origin) == (id, origin)


@pytest.mark.parametrize(
    "base_url",
    ["http://csss.example", "https://192.0.2.7", "https://[2001:db8::1]:8443", "https://", "http://0:8000"],
)
def test_nothing_else(base_url: str) -> None:
    assert Settings(base_url=base_url).relying_party is None
    with pytest.raises(BadSetting, match="CSSS_ADMIN_PASSKEY needs a CSSS_BASE_URL"):
        Settings(base_url=base_url, admin_passkey=True)


@pytest.mark.parametrize("settings", [{"admin_passkey": True}], indirect=True)
def test_the_check_says_when_administrators_need_one_and_have_none(
    clinic: Clinic, settings: Settings, tmp_path: Path
) -> None:
    admin, doctor = clinic.person("admin"), clinic.person("doctor")

    def give(user_id: object, number: str) -> None:
        with transaction():
            db.session.add(
                Passkey(
                    user_id=user_id,
                    name="Key",
                    credential_id=number,
                    public_key=b"",
                    sign_count=0,
                    synced=False,
                )
            )

    give(doctor.id, "a")
    found = _passkeys(settings)
    assert not found.ok and "none of them has one yet" in found.text and "http://localhost:8000" in found.mend
    give(admin.id, "b")
    found = _passkeys(settings)
    assert found.ok and "1 administrator has one; let a second one register" in found.text
