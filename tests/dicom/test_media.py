"""A zip of a CD gives its DICOM objects one by one; bombs, odd names and broken archives are refused with what to do."""

import io
import struct
import zipfile
from collections.abc import Callable

import pytest

from csss.dicom import limits, media, reading
from csss.dicom.media import BadArchive
from csss.dicom.reading import RefusedDicom
from tests.dicom import made
from tests.dicom.files import path_of, sample

# Folders that the DICOMDIR of pydicom's tests names.
NAMED = {"77654033", "98892001", "98892003"}


def zipped(files: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def disc() -> bytes:
    """The CD of pydicom's tests: a DICOMDIR and its objects, as one would zip it, with a viewer and a paper."""
    root = path_of("DICOMDIR").parent
    files = {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and (path.name == "DICOMDIR" or path.relative_to(root).parts[0] in NAMED)
    }
    return zipped({**files, "VIEWER.EXE": b"MZ" + bytes(9000), "README.TXT": b"Hello", "autorun.inf": b"[x]"})


@pytest.mark.usefixtures("forked")
def test_a_cd_gives_every_object_that_its_dicomdir_names() -> None:
    content = disc()
    contents = media.contents_of(content)
    directory = media.directory_content(content)
    assert directory is not None and contents.directory == "DICOMDIR"
    named = reading.directory_of(directory)
    assert len(named) == 31 == len(contents.objects)
    assert {each.kind for each in named} == {"IMAGE"}
    assert media.missing_from(contents, tuple(each.path for each in named)) == ()
    found = {reading.facts_of(each.content).object.sop_instance_uid for each in media.objects_of(content)}
    assert found == {each.sop_instance_uid for each in named}
    assert contents.others == 5  # the DICOMDIR, a viewer, two papers, and what starts the viewer


@pytest.mark.usefixtures("forked")
def test_what_the_dicomdir_names_and_the_zip_lacks_is_said() -> None:
    whole = zipfile.ZipFile(io.BytesIO(disc()))
    kept = {name: whole.read(name) for name in whole.namelist()}
    lost = next(name for name in kept if name.startswith("98892003/MR1/"))
    del kept[lost]
    content = zipped(
        {f"My CD/{name.lower()};1" if "/" in name else f"My CD/{name}": each for name, each in kept.items()}
    )
    directory = media.directory_content(content)
    assert directory is not None
    named = tuple(each.path for each in reading.directory_of(directory))
    assert media.missing_from(media.contents_of(content), named) == (lost.upper(),)


@pytest.mark.usefixtures("forked")
def test_a_broken_dicomdir_costs_no_object() -> None:
    content = zipped(
        {"DICOMDIR": sample("DICOMDIR-nooffset"), "a/b": made.grey(), "c": sample("OT-PAL-8-face.dcm")}
    )
    directory = media.directory_content(content)
    assert directory is not None
    with pytest.raises(RefusedDicom):
        reading.directory_of(directory)
    assert [each.name for each in media.objects_of(content)] == ["a/b", "c"]


@pytest.mark.parametrize(
    "name", ["../../etc/cron.d/x", "/etc/passwd", "C:\\x", "a\x00b", "<script>.dcm", "x" * 3000, "\u202egpj"]
)
def test_names_are_read_by_people_only(name: str) -> None:
    content = zipped({name: made.grey()})
    (found,) = media.objects_of(content)
    assert found.content == made.grey()
    assert len(found.name) <= 512 and found.name.isprintable()


def locked() -> bytes:
    content = bytearray(zipped({"a": made.grey()}))
    at = content.rindex(b"PK\x01\x02")
    content[at + 8] |= 1
    return bytes(content)


def bomb() -> bytes:
    """Forty members of 60 MB zeros each."""
    one = zipped({"0": bytes(60_000_000)})
    with zipfile.ZipFile(io.BytesIO(one)) as archive:
        info = archive.infolist()[0]
    head_end = 30 + 1
    packed = one[head_end : head_end + info.compress_size]
    body, directory = b"", b""
    for number in range(40):
        name = f"{number:04}".encode()
        local = (
            struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0, info.CRC, len(packed), 60_000_000, 4, 0)
            + name
        )
        directory += (
            struct.pack(
                "<4s6H3I5H2I",
                b"PK\x01\x02",
                20,
                20,
                0,
                8,
                0,
                0,
                info.CRC,
                len(packed),
                60_000_000,
                4,
                0,
                0,
                0,
                0,
                0,
                len(body),
            )
            + name
        )
        body += local + packed
    return (
        body + directory + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 40, 40, len(directory), len(body), 0)
    )


def overlapping() -> bytes:
    """Two members that share one packed stream."""
    content = zipped({"a": made.grey(), "b": made.grey()})
    first = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", first + 4)
    return content[: second + 42] + struct.pack("<I", 0) + content[second + 46 :]


def lying_size() -> bytes:
    content = bytearray(zipped({"a": made.grey()}))
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 500)
    return bytes(content)


DAMAGED = "The zip cannot be read: it is damaged or cut off. Zip the study again, and send the new file."
TOO_MUCH = "The zip unpacks to more than can be taken (2000 MB, or 20000 files). Send its studies one by one."
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "no object": (
        lambda: zipped({"a.jpg": b"\xff\xd8\xff"}),
        "The zip holds no DICOM object. Zip the folder that holds the study, and send that.",
    ),
    "nothing": (lambda: zipped({}), "The zip holds no DICOM object. Zip the folder that holds the study, and send that."),
    "locked": (locked, "The zip is locked with a password. Zip the study without one; the connection is encrypted."),
    "2.4 GB": (bomb, TOO_MUCH),
    "a stream used twice": (overlapping, DAMAGED),
    "cut off": (lambda: zipped({"a": made.grey()})[:-30], DAMAGED),
    "another size": (lying_size, DAMAGED),
    "no zip": (lambda: b"PK\x03\x04" + bytes(500), DAMAGED),
    "an unusual method": (
        lambda: zipped({"a": made.grey()}, method=zipfile.ZIP_LZMA),
        "The zip is packed in an unusual way. Zip the study in the ordinary way (deflate), and send that.",
    ),
    "25,000 empty members": (lambda: zipped({f"{each}": b"" for each in range(25_000)}), TOO_MUCH),
    "6,000 objects": (
        lambda: zipped({f"{each}": made.meta() for each in range(6_000)}),
        "The zip holds 6000 DICOM objects; at most 5000 can be taken at once. Send its studies one by one.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_an_archive_that_cannot_be_taken_is_refused_with_what_to_do(name: str) -> None:
    make, sentence = BAD[name]
    content = make()
    with pytest.raises(BadArchive) as refusal:
        media.contents_of(content)
        list(media.objects_of(content))
    assert str(refusal.value) == sentence


def test_a_member_above_the_limit_is_named_and_the_rest_is_taken() -> None:
    content = zipped({"large": made.meta() + bytes(limits.MAX_BYTES), "small": made.grey()})
    assert media.contents_of(content).too_large == ("large",)
    assert [each.name for each in media.objects_of(content)] == ["small"]


def test_a_zip_is_told_from_a_dicom_file_by_its_content() -> None:
    assert media.is_zip(zipped({"a": b""})) and not media.is_zip(made.grey())
