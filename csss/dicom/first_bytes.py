"""Tell a DICOM file by its first bytes. This loads nothing, so any process may ask."""

import struct

PREAMBLE = 128
# The first group of a data set: file meta information, or identification, in both byte orders.
_FIRST_GROUPS = (b"\x02\0", b"\x08\0", b"\0\x08")


def looks_like_dicom(content: bytes | memoryview) -> bool:
    """Tell from the first bytes: `DICM` after the preamble, or a data set without one."""
    if bytes(content[PREAMBLE : PREAMBLE + 4]) == b"DICM":
        return True
    return len(content) > 16 and bytes(content[:2]) in _FIRST_GROUPS and _plausible_start(bytes(content[:8]))


def _plausible_start(head: bytes) -> bool:
    element = struct.unpack("<H" if head[:1] != b"\0" else ">H", head[2:4])[0]
    explicit = letters(head[4:6])
    length = struct.unpack("<H" if head[:1] != b"\0" else ">H", head[6:8] if explicit else head[4:6])[0]
    return element < 0x20 and (explicit or length < 256)


def letters(pair: bytes) -> bool:
    """Whether this is a value representation, two capital letters."""
    return len(pair) == 2 and 0x40 < pair[0] < 0x5B and 0x40 < pair[1] < 0x5B
