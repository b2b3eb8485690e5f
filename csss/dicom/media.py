"""Read a zip of a study or of a whole CD, object by object (PS3.10 section 8; PS3.12 annex V).

Only the container is unpacked here, one member at a time and within limits; what is in it is opened by the sandboxed
child alone (`csss.dicom.reading`). Names in a zip are data: nothing is written under them. What counts as an object is its
content, since a CD also holds viewers, pictures and papers; the DICOMDIR only tells which objects are missing.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from csss.dicom.first_bytes import looks_like_dicom
from csss.dicom.limits import MAX_ARCHIVE_BYTES, MAX_ARCHIVE_OBJECTS, MAX_BYTES, MAX_MEMBERS
from csss.errors import Invalid
from csss.i18n import _

ZIP_BEGINNING = b"PK\x03\x04"
_ENCRYPTED = 1
_LOCAL_HEAD = struct.Struct("<4s5H3I2H")  # a member's own header (APPNOTE 4.3.7)
_LONGEST_NAME = 512
_MOST_MISSING = 1_000


class BadArchive(Invalid):
    """The archive as a whole is refused; the sentence stands beside the field `file`."""

    def __init__(self, sentence: str) -> None:
        super().__init__(file=sentence)


class ArchiveObject(NamedTuple):
    """One DICOM object in a zip."""

    name: str  # as the zip has it, for people to read
    content: bytes


@dataclass(frozen=True)
class Contents:
    """What is in a zip."""

    members: int
    objects: tuple[str, ...]  # names of members that are DICOM objects
    others: int  # members that are something else: viewers, papers, folders
    too_large: tuple[str, ...]  # members above the limit for one object
    directory: str  # the name of the DICOMDIR, or empty


def is_zip(content: bytes) -> bool:
    """Tell from the first bytes."""
    return content.startswith(ZIP_BEGINNING)


def contents_of(content: bytes) -> Contents:
    """List the DICOM objects of a zip; of each member only its beginning is unpacked. Raises BadArchive."""
    found = _members(content)
    objects: list[str] = []
    large: list[str] = []
    directory = ""
    for member in found:
        if member.filename.rpartition("/")[2].upper() == "DICOMDIR":
            directory = directory or _name(member)
        elif looks_like_dicom(_unpacked(content, member, most=256, whole=False)):
            (large if member.file_size > MAX_BYTES else objects).append(_name(member))
    if len(objects) > MAX_ARCHIVE_OBJECTS:
        raise BadArchive(
            _(
                "The zip holds %(count)s DICOM objects; at most %(most)s can be taken at once. Send its studies one by one.",
                count=len(objects),
                most=MAX_ARCHIVE_OBJECTS,
            )
        )
    if not objects and not large:
        raise BadArchive(
            _("The zip holds no DICOM object. Zip the folder that holds the study, and send that.")
        )
    return Contents(
        len(found), tuple(objects), len(found) - len(objects) - len(large), tuple(large), directory
    )


def objects_of(content: bytes) -> Iterator[ArchiveObject]:
    """Unpack one DICOM object after the other, each when it is asked for. Raises BadArchive.

    Members that are no DICOM objects, and the DICOMDIR, are left out; so are those above the limit for one object, which
    `contents_of` names.
    """
    for member in _members(content):
        if member.file_size > MAX_BYTES or member.filename.rpartition("/")[2].upper() == "DICOMDIR":
            continue
        if looks_like_dicom(_unpacked(content, member, most=256, whole=False)):
            yield ArchiveObject(_name(member), _unpacked(content, member, most=member.file_size, whole=True))


def directory_content(content: bytes) -> bytes | None:
    """The DICOMDIR of a zip, for `csss.dicom.reading.directory_of`; None if there is none. Raises BadArchive."""
    for member in _members(content):
        if member.filename.rpartition("/")[2].upper() == "DICOMDIR" and member.file_size <= MAX_BYTES:
            return _unpacked(content, member, most=member.file_size, whole=True)
    return None


def missing_from(contents: Contents, named: tuple[str, ...]) -> tuple[str, ...]:
    """Which paths of the DICOMDIR (`DirectoryFile.path`) the zip lacks. Case and `;1` of CDs do not count."""
    folder = contents.directory.rpartition("/")[0]
    there = {_folded(each) for each in (*contents.objects, *contents.too_large)}
    missing = (each for each in named if _folded(f"{folder}/{each}" if folder else each) not in there)
    return tuple(missing)[:_MOST_MISSING]


def _folded(name: str) -> str:
    return name.upper().removesuffix(";1").removesuffix(".").strip("/")


def _name(member: zipfile.ZipInfo) -> str:
    """The name for people: no control characters, and not endless."""
    return "".join(each for each in member.filename if each.isprintable())[:_LONGEST_NAME]


def _damaged() -> BadArchive:
    return BadArchive(
        _("The zip cannot be read: it is damaged or cut off. Zip the study again, and send the new file.")
    )


def _members(content: bytes) -> list[zipfile.ZipInfo]:
    """The central directory, within limits: number, sizes, no encryption, no overlapping members. Raises BadArchive."""
    if content.count(b"PK\x01\x02") > 2 * MAX_MEMBERS:  # before anything is made of them
        raise _too_much()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
    except (zipfile.BadZipFile, ValueError, OSError, LookupError, NotImplementedError, struct.error):
        raise _damaged() from None
    if any(each.flag_bits & _ENCRYPTED for each in members):
        raise BadArchive(
            _("The zip is locked with a password. Zip the study without one; the connection is encrypted.")
        )
    if len(members) > MAX_MEMBERS or sum(each.file_size for each in members) > MAX_ARCHIVE_BYTES:
        raise _too_much()
    end = 0
    for member in sorted(members, key=lambda each: each.header_offset):
        if (
            member.header_offset < end
        ):  # one packed stream used by many members unpacks to far more than it is
            raise _damaged()
        end = member.header_offset + _LOCAL_HEAD.size + member.compress_size
    return members


def _too_much() -> BadArchive:
    return BadArchive(
        _(
            "The zip unpacks to more than can be taken (%(megabytes)s MB, or %(members)s files). Send its studies one by "
            "one.",
            megabytes=MAX_ARCHIVE_BYTES // 1_000_000,
            members=MAX_MEMBERS,
        )
    )


def _unpacked(content: bytes, member: zipfile.ZipInfo, *, most: int, whole: bool) -> bytes:
    """At most `most` bytes of a member; the `whole` one must have its size and its checksum. Raises BadArchive."""
    start = member.header_offset
    try:
        head = _LOCAL_HEAD.unpack_from(content, start)
    except struct.error:
        raise _damaged() from None
    start += _LOCAL_HEAD.size + head[-2] + head[-1]
    packed = memoryview(content)[start : start + member.compress_size]
    if head[0] != ZIP_BEGINNING or len(packed) != member.compress_size:
        raise _damaged()
    unpack = _UNPACKERS.get(member.compress_type)
    if unpack is None:
        raise BadArchive(
            _(
                "The zip is packed in an unusual way. Zip the study in the ordinary way (deflate), and send that."
            )
        )
    found = unpack(packed, most)
    if whole and (len(found) != member.file_size or zlib.crc32(found) != member.CRC):
        raise _damaged()
    return found


def _stored(packed: memoryview, most: int) -> bytes:
    return bytes(packed[:most])


def _inflated(packed: memoryview, most: int) -> bytes:
    """Never more than `most` bytes, whatever the stream holds."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        return unpacker.decompress(packed, most) if most else b""
    except zlib.error:
        raise _damaged() from None


_UNPACKERS: dict[int, Callable[[memoryview, int], bytes]] = {
    zipfile.ZIP_STORED: _stored,
    zipfile.ZIP_DEFLATED: _inflated,
}
