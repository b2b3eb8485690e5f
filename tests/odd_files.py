"""Hostile, odd and broken picture files, made on the fly and always alike. What is expected of each: tests/corpus.py."""

import io
import re
import struct
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

PNG = b"\x89PNG\r\n\x1a\n"
EICAR_LIKE = b"<?php system($_GET['c']); ?><script>alert(document.cookie)</script>"
END_OF_CODED = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
MARK = b"Mrs Example of 12 Sample Street"


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def header(width: int, height: int, bits: int = 8, colour: int = 0) -> bytes:
    return PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))


END = chunk(b"IEND", b"")


def packed(length: int) -> bytes:
    """So many zero bytes, compressed: one block of a million, repeated without being packed anew."""
    millions, rest = divmod(length, 1_000_000)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = struct.pack(">HH", length % 65521, 1)  # Adler-32 of zeros
    return b"\x78\xda" + block * millions + packer.compress(bytes(rest)) + packer.flush() + checksum


def picture(mode: str = "RGB", width: int = 200, height: int = 160) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    channels = [128 + 90 * np.sin(x / 19), 128 + 90 * np.cos(y / 23), (x + y) % 256 * 0.6]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8)).convert(mode)


def saved(image: Image.Image, kind: str = "PNG", **more: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **more)
    return target.getvalue()


@cache
def png() -> bytes:
    return saved(picture("L"))


@cache
def jpeg() -> bytes:
    return saved(picture(), "JPEG")


def with_chunk(name: bytes, content: bytes) -> bytes:
    """The picture with a further chunk before its pixels."""
    return png()[:33] + chunk(name, content) + png()[33:]


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def segments(content: bytes) -> list[tuple[int, int, int]]:
    """Marker, where it stands, and where what follows it begins; a scan's segment ends with its coded data."""
    found, at = [], 2
    while at < len(content) - 2:
        marker, (length,) = content[at + 1], struct.unpack_from(">H", content, at + 2)
        end = at + 2 + length
        if marker == 0xDA:
            end = END_OF_CODED.search(content, end).start()  # type: ignore[union-attr]
        found.append((marker, at, end))
        at = end
    return found


def with_segment(marker: int, content: bytes) -> bytes:
    return jpeg()[:2] + segment(marker, content) + jpeg()[2:]


@cache
def heic(name: str = "grey") -> bytes:
    """A photograph as telephones keep it; nothing that we install can write one (`tests/heic`)."""
    return (Path(__file__).parent / "heic" / f"{name}.heic").read_bytes()


def heic_said_to_be(width: int, height: int) -> bytes:
    """Another size in the container than the picture in it has."""
    return heic().replace(struct.pack(">II", 256, 240), struct.pack(">II", width, height))


def archive(name: str = "META-INF/MANIFEST.MF") -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        file.writestr(name, "Main-Class: Evil\n")
    return target.getvalue()


def sixteen_bits() -> Image.Image:
    return Image.fromarray(np.linspace(0, 4095, 200 * 160).reshape(160, 200).astype(np.uint16))


def sixteen_bits_in_colour() -> bytes:
    row = b"\0" + struct.pack(">HHH", 65535, 32768, 0) * 100
    return header(100, 80, 16, 2) + chunk(b"IDAT", zlib.compress(row * 80)) + END


def with_gps() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = MARK.decode()
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (13.0, 5.0, 1.0)
    return saved(picture(), "JPEG", exif=exif)


def with_words() -> bytes:
    words = PngInfo()
    words.add_text("Patient", MARK.decode())
    words.add_itxt("XML:com.adobe.xmp", f"<x:xmpmeta><script>{MARK.decode()}</script></x:xmpmeta>")
    return saved(picture("L"), pnginfo=words)


def animated() -> bytes:
    frames = [Image.new("L", (100, 100), grey) for grey in (200, 100, 50)]
    return saved(frames[0], save_all=True, append_images=frames[1:])


def animated_with_a_huge_frame() -> bytes:
    control = struct.pack(">II", 2, 0)
    frame = struct.pack(">IIIIIHHBB", 1, 60_000, 60_000, 0, 0, 1, 10, 0, 0)
    body = png()[33:-12]
    return png()[:33] + chunk(b"acTL", control) + body + chunk(b"fcTL", frame) + END


def many_scans(count: int) -> bytes:
    """A small file that makes a decoder walk over a large picture again and again: one more scan is 40 bytes."""
    flat = saved(Image.new("L", (6400, 6240), 90), "JPEG", progressive=True)
    last = flat.rindex(b"\xff\xda")
    return flat[:-2] + flat[last:-2] * count + flat[-2:]


def all_scans() -> bytes:
    """A progressive JPEG of a large flat picture that brings each bit of each coefficient in a scan of its own."""
    flat = saved(Image.new("L", (6400, 6240), 90), "JPEG", progressive=True)
    (_, _start, after), table, scan = [each for each in segments(flat) if each[0] in {0xC4, 0xDA}][1:4]
    again = next(
        each for each in segments(flat) if each[0] == 0xDA and each[1] > scan[2] and flat[each[1] + 7] == 0
    )
    coded = flat[scan[1] + 10 : scan[2]]  # "nothing more in so many blocks", whichever coefficient it is
    scans = [
        b"\xff\xda\x00\x08\x01\x01\x00" + bytes([at, at, (16 * (bit + 1) if bit < 13 else 0) + bit]) + coded
        for bit in range(13, -1, -1)
        for at in range(1, 64)
    ]
    rest = flat[again[1] : again[2]] + flat[table[1] : table[2]] + b"".join(scans)
    return flat[:after] + rest + b"\xff\xd9"


def large_grey() -> bytes:
    """A grey JPEG of quality 90 with some noise, as of a machine."""
    y, x = np.mgrid[0:512, 0:600]
    grey = 120 + 90 * np.sin(x / 31) * np.cos(y / 23) + np.random.default_rng(7).normal(0, 4, (512, 600))
    return saved(Image.fromarray(grey.clip(0, 255).astype(np.uint8)), "JPEG", quality=90)


def with_bytes_less() -> bytes:
    content = large_grey()
    at = len(content) // 3
    return content[:at] + content[at + 2000 :]


def restarts() -> bytes:
    return saved(picture("L", 640, 480), "JPEG", restart_marker_blocks=1)


def adobe_cmyk() -> bytes:
    """As Photoshop writes it: inverted, and marked so."""
    return saved(picture("CMYK"), "JPEG", quality=90)


def ycck() -> bytes:
    """The same bytes, said to be YCCK: the colours are wrong, the file is not."""
    content = adobe_cmyk()
    at = content.index(b"Adobe") + 11
    return content[:at] + b"\x02" + content[at + 1 :]


def broken_profile(kind: str) -> bytes:
    return saved(picture(), kind, icc_profile=b"\0\0\xff\xff" + b"no profile at all" * 9)


def profiled() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return saved(picture(), "PNG", icc_profile=profile)


def mpo() -> bytes:
    second = Image.new("RGB", (200, 160), "red")
    return saved(picture(), "MPO", save_all=True, append_images=[second])


def claimed_jpeg(width: int, height: int, *, progressive: bool = False) -> bytes:
    """A JPEG whose head tells another size than it has."""
    content = bytearray(saved(picture(), "JPEG", progressive=progressive))
    at = content.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def said_to_be(marker: int, *, bits: int = 8) -> bytes:
    """A JPEG whose frame is of another kind than its data."""
    return jpeg().replace(b"\xff\xc0\x00\x11\x08", bytes([0xFF, marker, 0, 17, bits]))


def rows_of(held: int, *, said: int) -> bytes:
    """A PNG of 300 pixels a row with all checksums right, and another number of rows than it says."""
    pixels = np.asarray(picture("L", 300, held))
    packed_rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))
    return header(300, said) + chunk(b"IDAT", packed_rows) + END


def half_the_chunks() -> bytes:
    """A PNG that ends between two chunks of pixels, each of them whole."""
    noise = np.random.default_rng(1).integers(0, 255, (600, 600), dtype=np.uint8)
    whole = saved(Image.fromarray(noise))
    return whole[: whole.index(b"IDAT", whole.index(b"IDAT") + 4) - 4]


def drawn_in_alpha(mode: str) -> bytes:
    """White everywhere, and the picture in how much of it shows."""
    white = Image.new("L" if mode == "LA" else "RGB", (200, 160), "white")
    white.putalpha(picture("L"))
    return saved(white)


def exactly(length: int) -> bytes:
    """A picture that takes exactly so many bytes, most of them in a chunk that nobody knows."""
    return with_chunk(b"prIv", bytes(length - len(png()) - 12))


def interlaced() -> bytes:
    """Adam7, whose seven passes are written by hand: Pillow writes none."""
    passes = [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ]
    pixels = np.asarray(picture("L"))
    rows = b"".join(
        b"\0" + row.tobytes() for x, y, dx, dy in passes for row in np.ascontiguousarray(pixels[y::dy, x::dx])
    )
    head = PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", 200, 160, 8, 0, 0, 0, 1))
    return head + chunk(b"IDAT", zlib.compress(rows)) + END


def dicom() -> bytes:
    return bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00" + bytes(400)
