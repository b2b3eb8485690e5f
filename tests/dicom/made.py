"""DICOM files made by the tests: ordinary ones to change, and hostile ones."""

import struct
import zlib
from typing import Any

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from csss.dicom.samples_for_warm_up import made

EXPLICIT = uid.ExplicitVRLittleEndian
MARKUP = "<script>alert(1)</script>"
PATH = "../../etc/passwd"


def grey(
    rows: int = 32, columns: int = 40, *, syntax: uid.UID = EXPLICIT, pixels: bytes = b"", **more: Any
) -> bytes:
    """A grey picture of 16 bits, from black to white along its rows."""
    values = np.linspace(0, 4095, rows * columns).astype("<u2").reshape(rows, columns)
    words: dict[str, Any] = {
        "Rows": rows, "Columns": columns, "BitsStored": 12, "HighBit": 11, "Modality": "DX",
        "StudyInstanceUID": "1.2.826.0.1.99.1", "SeriesInstanceUID": "1.2.826.0.1.99.2",
        "SOPInstanceUID": "1.2.826.0.1.99.3",
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1", "BodyPartExamined": "CHEST", "ViewPosition": "PA",
        "PatientID": "MRN-4711", "PatientName": "Krishnan^Meera", "PatientBirthDate": "19800102", "PatientSex": "F",
        "AccessionNumber": "ACC-1", "StudyTime": "101112",
    }  # fmt: skip
    return made(syntax, pixels or values.tobytes(), "MONOCHROME2", 16, **(words | more))


def sequence_item(**values: Any) -> Dataset:
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item


def with_text(name: str, text: str) -> bytes:
    return grey(**{name: text})


# Hostile files. Elements are written by hand: no library would write them.


def element(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    if vr in {b"OB", b"OW", b"SQ", b"UN", b"UT"}:
        return head + struct.pack("<HI", 0, size) + value
    return head + struct.pack("<H", size & 0xFFFF) + value


def meta(syntax: str = EXPLICIT) -> bytes:
    name = syntax.encode() + b"\0" * (len(syntax) % 2)
    return bytes(128) + b"DICM" + element(0x00020010, b"UI", name)


def header(rows: int, columns: int, *, frames: int = 1, bits: int = 8) -> bytes:
    def short(tag: int, value: int) -> bytes:
        return element(tag, b"US", struct.pack("<H", value))

    count = str(frames).encode()
    return b"".join(
        (
            short(0x00280002, 1),
            element(0x00280004, b"CS", b"MONOCHROME2 "),
            element(0x00280008, b"IS", count + b" " * (len(count) % 2)),
            short(0x00280010, rows),
            short(0x00280011, columns),
            short(0x00280100, bits),
            short(0x00280101, bits),
            short(0x00280102, bits - 1),
            short(0x00280103, 0),
        )
    )


def deflate_bomb(megabytes: int = 300) -> bytes:
    """A private element of zeros, packed to a few hundredths."""
    size = megabytes * 1_000_000
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    pieces = [packer.compress(element(0x00110010, b"OB", b"", size))]
    pieces += [packer.compress(bytes(1_000_000)) for _ in range(megabytes)]
    return meta(uid.DeflatedExplicitVRLittleEndian) + b"".join(pieces) + packer.flush()


def huge(rows: int = 46_341, columns: int = 46_341, *, frames: int = 1, bits: int = 8) -> bytes:
    """Says 2 thousand million pixels, in ten kilobytes."""
    return (
        meta() + header(rows, columns, frames=frames, bits=bits) + element(0x7FE00010, b"OB", bytes(10_000))
    )


def huge_jpeg(rows: int, columns: int) -> bytes:
    """Says a small picture outside, and an enormous one inside."""
    frame = struct.pack(">HBHHB3B", 11, 8, rows, columns, 1, 1, 0x11, 0)
    stream = (
        b"\xff\xd8\xff\xc0" + frame + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + bytes(64) + b"\xff\xd9"
    )
    pixels = encapsulate([stream])
    body = element(0x7FE00010, b"OB", pixels + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0), 0xFFFFFFFF)
    return meta(uid.JPEGBaseline8Bit) + header(64, 64) + body


def nested(levels: int = 10_000, *, defined: bool = False) -> bytes:
    """Sequences within sequences, of undefined or of defined length."""
    if not defined:
        opened = element(0x00081140, b"SQ", b"", 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        closed = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
        return meta() + opened * levels + closed * levels
    body = b""
    for _ in range(levels):
        body = element(0x00081140, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body)
    return meta() + body


def many_elements(count: int) -> bytes:
    return meta() + element(0x00110010, b"LO", b"") * count


def many_fragments(count: int) -> bytes:
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * count + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return meta(uid.JPEG2000Lossless) + header(64, 64) + element(0x7FE00010, b"OB", items, 0xFFFFFFFF)


def rle_bomb() -> bytes:
    """Each pair of bytes unpacks to 128."""
    segment = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\x00" * 2_000_000
    body = encapsulate([segment]) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return meta(uid.RLELossless) + header(64, 64) + element(0x7FE00010, b"OB", body, 0xFFFFFFFF)


def other_length(change: int) -> bytes:
    """Pixels that are more or fewer than the header says, in an element that is sound."""
    size = 64 * 64 + change
    return meta() + header(64, 64) + element(0x7FE00010, b"OB", b"\x01" * size)


def length_beyond_the_end(vr: bytes = b"OB") -> bytes:
    return meta() + header(64, 64) + element(0x7FE00010, vr, bytes(4096), 0x7FFFFFF0)
