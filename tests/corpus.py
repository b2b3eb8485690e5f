"""Hostile and odd files, made on the fly and always alike, each with the answer that is expected.

python -m tests.corpus FOLDER    writes them all into a folder, to be tried by hand
"""

import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.odd_files import (
    EICAR_LIKE,
    END,
    PNG,
    adobe_cmyk,
    all_scans,
    animated,
    animated_with_a_huge_frame,
    archive,
    broken_profile,
    chunk,
    claimed_jpeg,
    dicom,
    drawn_in_alpha,
    exactly,
    half_the_chunks,
    header,
    heic,
    heic_said_to_be,
    interlaced,
    jpeg,
    many_scans,
    mpo,
    packed,
    picture,
    png,
    profiled,
    restarts,
    rows_of,
    said_to_be,
    saved,
    sixteen_bits,
    sixteen_bits_in_colour,
    with_bytes_less,
    with_chunk,
    with_gps,
    with_segment,
    with_words,
    ycck,
)

LIMIT = 10_000_000

EMPTY = "The file is empty. Choose the picture again."
NO_PICTURE = (
    "This is no picture that can be read here, whatever its name says. Send a JPEG, PNG or HEIC picture: a photo of the "
    "film or a screenshot will do."
)
OTHER_PICTURE = (
    "This sort of picture cannot be taken. Open it, save it as JPEG or PNG (or take a screenshot of it), and send "
    "that."
)
PDF = (
    "This is a PDF, not a picture. Open it, take a screenshot of the page that shows the scan, and send the screenshot. "
    "A written report alone cannot be read here."
)
DICOM = (
    "This is a DICOM file, as hospitals keep them. It cannot be taken yet: open it in the viewer that came with it, save "
    "the picture as JPEG or PNG, and send that."
)
VIDEO = "This is a video. Send a picture: stop the video where the whole scan can be seen, take a screenshot, and send that."
DOCUMENT = (
    "This is a document of Word or another office program. Open it, save the picture in it as JPEG or PNG (or take a "
    "screenshot of it), and send that."
)
PACKED = "This is a packed folder (such as ZIP). Unpack it, choose the one picture of the scan in it, and send that."
DAMAGED = "The picture cannot be read to its end. It may be damaged or cut off; save it again."
TOO_MANY = "The picture has too many pixels; at most 40 million can be taken."
COSTLY = (
    "The picture takes too much memory or time to open. Save it as an ordinary JPEG or PNG and send that."
)


TRANSPARENT = (
    "Much of the picture is transparent, so its greys depend on what is behind it. Save it without transparency, as an "
    "ordinary JPEG or PNG, and send that."
)
UNSUPPORTED = (
    "This sort of JPEG cannot be read here (12 bits, lossless or arithmetic coding). Save it as an ordinary JPEG or PNG "
    "and send that."
)


def too_long(width: int, height: int) -> str:
    return (
        f"The picture has {width} × {height} pixels: one side is more than 10 times as long as the other. "
        "No scan has this shape: send the whole picture of the scan."
    )


def too_small(width: int, height: int) -> str:
    return f"The picture has {width} × {height} pixels; a scan needs at least 64 on each side."


@dataclass(frozen=True)
class Taken:
    """Accepted, and stored as this."""

    kind: str  # JPEG or PNG
    mode: str
    width: int
    height: int


@dataclass(frozen=True)
class Case:
    """`expected` is what it is stored as, or the sentence it is refused with."""

    name: str
    make: Callable[[], bytes]
    expected: Taken | str
    file_name: str = "scan.png"


GREY = Taken("PNG", "L", 200, 160)
COLOUR = Taken("JPEG", "RGB", 200, 160)
COLOUR_PNG = Taken("PNG", "RGB", 200, 160)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>'


CASES: list[Case] = [
    # What is no picture, or no picture of ours
    Case("empty", lambda: b"", EMPTY),
    Case("one byte", lambda: b"\xff", NO_PICTURE),
    Case("text", lambda: b"Dear doctor, this is my scan", NO_PICTURE),
    Case("page", lambda: b"<!doctype html><script>alert(1)</script>", NO_PICTURE, "scan.jpg"),
    Case("SVG", lambda: SVG, NO_PICTURE, "scan.svg"),
    Case("SVG called PNG", lambda: b'<?xml version="1.0"?>' + SVG, NO_PICTURE, "scan.png"),
    Case("PDF", lambda: b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj", PDF, "scan.pdf"),
    Case("archive", archive, PACKED, "scan.zip"),
    Case("GIF", lambda: saved(picture("P"), "GIF"), OTHER_PICTURE, "scan.gif"),
    Case("TIFF", lambda: saved(picture(), "TIFF"), OTHER_PICTURE, "scan.tif"),
    Case("WebP", lambda: saved(picture(), "WEBP"), OTHER_PICTURE, "scan.webp"),
    Case("BMP", lambda: saved(picture(), "BMP"), OTHER_PICTURE, "scan.bmp"),
    Case("ICO", lambda: saved(picture(), "ICO", sizes=[(64, 64)]), OTHER_PICTURE, "scan.ico"),
    Case("PPM", lambda: saved(picture(), "PPM"), NO_PICTURE, "scan.ppm"),
    Case("JPEG 2000", lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(200), OTHER_PICTURE, "scan.jp2"),
    Case(
        "HEIC: a head and nothing else", lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200), DAMAGED
    ),
    Case("AVIF", lambda: b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(200), OTHER_PICTURE, "scan.avif"),
    Case("video of a telephone", lambda: b"\0\0\0\x18ftypqt  \0\0\0\0qt  " + bytes(200), VIDEO, "scan.mov"),
    Case("MP4", lambda: b"\0\0\0\x20ftypisom\0\0\2\0isomiso2" + bytes(200), VIDEO, "scan.mp4"),
    Case("WebM", lambda: b"\x1aE\xdf\xa3\x9fB\x86\x81\1" + bytes(200), VIDEO, "scan.webm"),
    Case("AVI", lambda: b"RIFF\0\0\1\0AVI LIST" + bytes(200), VIDEO, "scan.avi"),
    Case("Word", lambda: archive("word/document.xml"), DOCUMENT, "scan.docx"),
    Case("Word of long ago", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(200), DOCUMENT, "scan.doc"),
    Case("RTF", lambda: b"{\\rtf1\\ansi my scan}", DOCUMENT, "scan.rtf"),
    # Photographs of telephones: what is good about them stands in test_telephone_pictures.py
    Case("HEIC", heic, Taken("JPEG", "L", 256, 240), "IMG_0001.HEIC"),
    Case("HEIC: turned, with the sender's name", lambda: heic("turned"), Taken("JPEG", "RGB", 160, 200)),
    Case("HEIC called JPEG", heic, Taken("JPEG", "L", 256, 240), "scan.jpg"),
    Case("HEIC and page", lambda: heic() + EICAR_LIKE, Taken("JPEG", "L", 256, 240), "scan.heic.html"),
    Case("HEIC: half", lambda: heic()[: len(heic()) // 2], DAMAGED),
    Case("HEIC: 1 of 100 bytes less at its end", lambda: heic()[: len(heic()) * 99 // 100], DAMAGED),
    Case("HEIC: a size of its own choice", lambda: heic_said_to_be(6_000, 6_000), DAMAGED),
    Case("HEIC of 2³¹ pixels a side", lambda: heic_said_to_be(2**31 - 1, 2**31 - 1), TOO_MANY),
    Case("HEIC of 55 million pixels", lambda: heic("too_many"), TOO_MANY),
    Case("HEIC that shows what is behind it", lambda: heic("transparent"), TRANSPARENT),
    Case("HEIC signature, JPEG inside", lambda: heic()[:28] + jpeg(), DAMAGED),
    Case("DICOM", dicom, DICOM, "scan.dcm"),
    Case("executable", lambda: b"\x7fELF\x02\x01\x01" + bytes(200), NO_PICTURE, "scan.jpg"),
    Case("PostScript", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", NO_PICTURE),
    Case("blank before the signature", lambda: b" " + png(), NO_PICTURE),
    Case("signature of a PNG in capitals", lambda: b"\x89png" + png()[4:], NO_PICTURE),
    # Wrong names, right pictures
    Case("PNG called JPEG", png, GREY, "scan.jpg"),
    Case("JPEG called PNG", jpeg, COLOUR, "scan.png"),
    Case("PNG called HTML", png, GREY, "scan.html"),
    # Two things in one
    Case("JPEG and archive", lambda: jpeg() + archive(), COLOUR, "scan.jpg.zip"),
    Case("JPEG and page", lambda: jpeg() + EICAR_LIKE, COLOUR, "scan.jpg.html"),
    Case("JPEG with a page in its comment", lambda: with_segment(0xFE, EICAR_LIKE), COLOUR),
    Case("JPEG with a program in its Exif", lambda: with_segment(0xE1, b"Exif\0\0" + EICAR_LIKE), COLOUR),
    Case("PNG and program", lambda: png() + EICAR_LIKE, GREY, "scan.php"),
    Case("PNG with a program in its text", lambda: with_chunk(b"tEXt", b"c\0" + EICAR_LIKE), GREY),
    Case("PNG with a program in a chunk of its own", lambda: with_chunk(b"evIl", EICAR_LIKE), GREY),
    Case("GIF and archive", lambda: saved(picture("P"), "GIF") + archive(), OTHER_PICTURE, "scan.jpg"),
    Case("PDF with a JPEG in it", lambda: b"%PDF-1.4\n" + jpeg(), PDF, "scan.jpg"),
    Case("JPEG with a PDF in it", lambda: with_segment(0xFE, b"%PDF-1.4\n%%EOF"), COLOUR, "scan.pdf"),
    Case("JPEG and PNG", lambda: jpeg() + png(), COLOUR),
    Case("PNG signature, JPEG inside", lambda: PNG + jpeg(), DAMAGED),
    Case("JPEG signature, PNG inside", lambda: b"\xff\xd8\xff\xe0" + png(), DAMAGED),
    # Bombs
    Case("PNG of 100,000 × 100,000", lambda: header(100_000, 100_000) + END, TOO_MANY),
    Case("PNG of 2³¹ pixels a side", lambda: header(2**31 - 1, 2**31 - 1) + END, TOO_MANY),
    Case("PNG of 2³² pixels a side", lambda: header(2**32 - 1, 2**32 - 1) + END, TOO_MANY),
    Case("one pixel too many", lambda: header(6401, 6250) + END, TOO_MANY),
    Case("JPEG of 65,500 × 65,500", lambda: claimed_jpeg(65_500, 65_500), TOO_MANY),
    Case(
        "progressive JPEG of 65,500 × 65,500",
        lambda: claimed_jpeg(65_500, 65_500, progressive=True),
        TOO_MANY,
    ),
    Case("long and thin", lambda: header(64, 2**31 - 1) + END, TOO_MANY),
    Case(
        "rows without end",
        lambda: header(100, 100) + chunk(b"IDAT", packed(900_000_000)) + END,
        DAMAGED,
    ),
    Case(
        "text that unpacks to a gigabyte",
        lambda: with_chunk(b"zTXt", b"a\0\0" + packed(1_000_000_000)),
        DAMAGED,
    ),
    Case(
        "international text that unpacks to a gigabyte",
        lambda: with_chunk(b"iTXt", b"a\0\1\0\0\0" + packed(1_000_000_000)),
        DAMAGED,
    ),
    Case(
        "colour profile that unpacks to a gigabyte",
        lambda: with_chunk(b"iCCP", b"a\0\0" + packed(1_000_000_000)),
        DAMAGED,
    ),
    Case("a hundred thousand texts", lambda: png()[:33] + chunk(b"tEXt", b"a\0b") * 10**5 + png()[33:], GREY),
    Case("animation with a frame of 60,000 × 60,000", animated_with_a_huge_frame, GREY),
    Case("twenty thousand scans", lambda: many_scans(20_000), DAMAGED),
    Case("a scan for each bit of each coefficient", all_scans, COSTLY),
    Case("a restart after every block", restarts, Taken("JPEG", "L", 640, 480)),
    # Cut off, broken
    Case("JPEG: head only", lambda: jpeg()[:20], DAMAGED),
    Case("JPEG: tables only", lambda: jpeg()[:300], DAMAGED),
    Case("JPEG: 3 of 100 bytes less at its end", lambda: jpeg()[: len(jpeg()) * 97 // 100], DAMAGED),
    Case("JPEG: half", lambda: jpeg()[: len(jpeg()) // 2], DAMAGED),
    Case("PNG: signature only", lambda: PNG, DAMAGED),
    Case("PNG: header only", lambda: png()[:33], DAMAGED),
    Case("PNG: half", lambda: png()[: len(png()) // 2], DAMAGED),
    Case("PNG: half of its chunks", half_the_chunks, DAMAGED),
    Case("PNG: without an end", lambda: png()[:-30], DAMAGED),
    Case("PNG: wrong checksum", lambda: png()[:50] + b"?" + png()[51:], DAMAGED),
    Case("PNG: no pixels", lambda: header(100, 100) + END, DAMAGED),
    Case("PNG: a chunk of four gigabytes", lambda: png()[:33] + b"\xff\xff\xff\xffIDAT" + bytes(99), DAMAGED),
    Case("PNG: an unknown depth", lambda: header(100, 100, 7) + chunk(b"IDAT", packed(9000)) + END, DAMAGED),
    Case("PNG: a palette without colours", lambda: header(100, 100, 8, 3) + END, DAMAGED),
    Case("JPEG: larger than its pixels", lambda: claimed_jpeg(900, 900), DAMAGED),
    Case("JPEG: smaller than its pixels", lambda: claimed_jpeg(200, 80), DAMAGED),
    Case("JPEG: half and an end mark", lambda: jpeg()[: len(jpeg()) // 2] + b"\xff\xd9", DAMAGED),
    Case("JPEG: 2,000 bytes less at one third", with_bytes_less, DAMAGED),
    Case("JPEG: without its end mark", lambda: jpeg()[:-2], COLOUR),
    Case("JPEG: without half its end mark", lambda: jpeg()[:-1], COLOUR),
    Case("PNG: without its end mark", lambda: png()[:-12], GREY),
    Case("PNG: without half its end mark", lambda: png()[:-6], GREY),
    Case("PNG: 600 rows said, 300 held", lambda: rows_of(300, said=600), DAMAGED),
    Case("PNG: 300 rows said, 600 held", lambda: rows_of(600, said=300), DAMAGED),
    Case("PNG: a critical chunk that nobody knows", lambda: with_chunk(b"CRIT", b"?"), DAMAGED),
    # Sizes
    Case("PNG of no width", lambda: header(0, 100) + END, DAMAGED),
    Case("PNG of no height", lambda: header(100, 0) + END, DAMAGED),
    Case("63 × 63", lambda: saved(picture("L", 63, 63)), too_small(63, 63)),
    Case("63 × 64", lambda: saved(picture("L", 63, 64)), too_small(63, 64)),
    Case("64 × 64", lambda: saved(picture("L", 64, 64)), Taken("PNG", "L", 64, 64)),
    Case("one pixel high", lambda: saved(picture("L", 300, 1)), too_small(300, 1)),
    Case("one pixel", lambda: saved(picture("L", 1, 1), "JPEG"), too_small(1, 1)),
    Case("long and thin, yet taken", lambda: saved(picture("L", 640, 64)), Taken("PNG", "L", 640, 64)),
    Case("a little longer", lambda: saved(picture("L", 641, 64)), too_long(641, 64)),
    Case(
        "a strip",
        lambda: header(64, 600_000) + chunk(b"IDAT", packed(65 * 600_000)) + END,
        too_long(64, 600_000),
    ),
    Case(
        "40 million pixels",
        lambda: header(8000, 5000) + chunk(b"IDAT", packed(8001 * 5000)) + END,
        Taken("PNG", "L", 8000, 5000),
    ),
    Case("as many bytes as may be", lambda: exactly(LIMIT), GREY),
    Case(
        "one byte too many", lambda: exactly(LIMIT + 1), "The file has 10.1 MB; at most 10 MB can be taken."
    ),
    # Colours
    Case("16-bit grey", lambda: saved(sixteen_bits()), GREY),
    Case("16-bit colour", sixteen_bits_in_colour, Taken("PNG", "RGB", 100, 80)),
    Case("one bit", lambda: saved(picture("1")), GREY),
    Case("two bits", lambda: saved(picture().quantize(4), bits=2), COLOUR_PNG),
    Case("palette", lambda: saved(picture().quantize(64)), COLOUR_PNG),
    Case("palette with alpha", lambda: saved(picture().quantize(64), transparency=bytes(64)), TRANSPARENT),
    Case("grey with alpha", lambda: saved(picture("LA")), GREY),
    Case("colour with alpha", lambda: saved(picture("RGBA")), COLOUR_PNG),
    Case("grey with a transparent grey", lambda: saved(picture("L"), transparency=7), GREY),
    Case("colour with a transparent colour", lambda: saved(picture(), transparency=(1, 2, 3)), COLOUR_PNG),
    Case("drawn in its alpha", lambda: drawn_in_alpha("LA"), TRANSPARENT),
    Case("drawn in its alpha, in colour", lambda: drawn_in_alpha("RGBA"), TRANSPARENT),
    Case("interlaced", interlaced, GREY),
    Case("grey JPEG", lambda: saved(picture("L"), "JPEG"), Taken("JPEG", "L", 200, 160)),
    Case("progressive JPEG", lambda: saved(picture(), "JPEG", progressive=True), COLOUR),
    Case("JPEG for printing, inverted", adobe_cmyk, COLOUR),
    Case("JPEG for printing, YCCK", ycck, COLOUR),
    Case("JPEG that is RGB inside", lambda: saved(picture(), "JPEG", keep_rgb=True), COLOUR),
    Case("JPEG said to be progressive", lambda: said_to_be(0xC2), DAMAGED),
    Case("JPEG of no kind", lambda: said_to_be(0xC5), DAMAGED),
    Case("arithmetic JPEG", lambda: said_to_be(0xC9), UNSUPPORTED),
    Case("lossless JPEG", lambda: said_to_be(0xC3), UNSUPPORTED),
    Case("JPEG of 12 bits", lambda: said_to_be(0xC1, bits=12), UNSUPPORTED),
    *(
        Case(f"JPEG, colours at {name}", lambda name=name: saved(picture(), "JPEG", subsampling=name), COLOUR)  # type: ignore[misc]
        for name in ("4:4:4", "4:2:2", "4:2:0")
    ),
    # What comes along
    Case("position and words in Exif", with_gps, COLOUR),
    Case("words and XMP", with_words, GREY),
    Case("XMP with a script", lambda: with_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + SVG), COLOUR),
    Case("colour profile", profiled, COLOUR_PNG),
    Case("broken colour profile in a JPEG", lambda: broken_profile("JPEG"), COLOUR),
    Case("broken colour profile in a PNG", lambda: broken_profile("PNG"), COLOUR_PNG),
    Case(
        "Exif that leads to itself",
        lambda: with_segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 65535)),
        COLOUR,
    ),
    Case("animation", animated, Taken("PNG", "L", 100, 100)),
    Case("photograph with a second one in it", mpo, COLOUR),
]


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(CASES, start=1):
        (folder / f"{number:03}-{case.file_name}").write_bytes(case.make())
        print(f"{number:03}  {case.name}: {case.expected}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
