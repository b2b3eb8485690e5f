"""UIDs of ours. They need no root of an organisation: 2.25. and a UUID is a UID (PS3.5 B.2)."""

import uuid

# Of this implementation, in every file that we write (PS3.10 section 7.1). Made once; it never changes.
IMPLEMENTATION_CLASS_UID = "2.25.116556126632736566591019054582822347709"
IMPLEMENTATION_VERSION = "CSSS_1"  # at most 16 characters
# All UIDs of our objects are derived from this name.
_SPACE = uuid.UUID("07c0180b-5c46-4e4d-b32d-fd96af51af6d")


def uid_for(*parts: object) -> str:
    """The UID that follows from these parts, always the same: a repetition of an object is the same object."""
    return f"2.25.{uuid.uuid5(_SPACE, '/'.join(str(each) for each in parts)).int}"
