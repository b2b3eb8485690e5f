"""Replace identifiers in a way that only the holder of the key can repeat: HMAC-SHA-256 of what stood there.

The key belongs to one export or one study of the hospital, and is kept apart from the files. With it, the same study,
exported again, gets the same UIDs, and a finding can be traced back; without it, nothing leads back.
"""

import hmac
from dataclasses import dataclass

_MOST_DAYS = 365


@dataclass(frozen=True)
class Rules:
    """How to de-identify the files of one patient."""

    key: str  # at least 32 characters
    subject: str  # what stands for the patient: Patient ID and Patient's Name
    shift_dates: bool = (
        False  # move dates back by the same days for each file of a patient, instead of removing them
    )
    patient: str = ""  # the patient's id in the hospital; only the shift depends on it


def _digest(key: str, kind: str, text: str) -> bytes:
    if len(key) < 32:
        raise ValueError("the key is too short")
    return hmac.digest(key.encode(), f"{kind}:{text}".encode(), "sha256")


def mapped_uid(key: str, uid: str) -> str:
    """Another UID for this one, always the same: 2.25. and 128 bits (PS3.5 B.2)."""
    return f"2.25.{int.from_bytes(_digest(key, 'uid', uid)[:16], 'big')}"


def days_back(key: str, patient: str) -> int:
    """By how many days a patient's dates move back, 1 to 365, always the same for one patient."""
    return 1 + int.from_bytes(_digest(key, "days", patient)[:8], "big") % _MOST_DAYS
