"""Render a report context to HTML and PDF/A-3u from nothing but the given input.

WeasyPrint loads everything through the fetcher below: our fonts and the pictures, as bytes under made-up addresses.
Anything else (a file, the network, a data URL) fails the report instead of being left out silently. A letter that
our fonts lack fails it too: it would print as a box, or in whatever font this machine has.
"""

from __future__ import annotations

import io
import logging
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

import numpy as np
import weasyprint
from jinja2 import Environment
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from csss import report_fonts
from csss.inference.heatmap import blend
from csss.inference.preprocessing import UndecodableImage
from csss.paths import STATIC
from csss.reports import actual_text
from csss.reports.context import ReportContext
from csss.reports.document import (
    HEATMAP,
    LOGO,
    SCAN,
    SCHEME,
    ReportRenderError,
    Sheet,
    UnprintableText,
    printed_text,
    sheet,
)
from csss.reports.pdf import foreign_fonts

# WeasyPrint makes Pillow accept truncated pictures in the whole process; a truncated upload must stay an error.
ImageFile.LOAD_TRUNCATED_IMAGES = False

MAX_SIDE = 800  # pixels; about 240 dpi at the printed size
MAX_PICTURE_BYTES = 115_000  # so that two pictures, fonts and text stay below 300 kB

_A_LETTER = "None of the report's fonts has a letter of its text."

# WeasyPrint does not promise thread safety, and the count of missing glyphs belongs to one report.
_layout = threading.Lock()


class HandedOverFiles(URLFetcher):
    """A fetcher that returns the bytes it was given, by exact address, and refuses every other address."""

    def __init__(self, resources: Mapping[str, tuple[str, bytes]]) -> None:
        """`resources` maps an address to its media type and its bytes."""
        super().__init__(allowed_protocols=(SCHEME,), allow_redirects=False, fail_on_errors=True)
        self._resources = dict(resources)

    def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> URLFetcherResponse:
        """The bytes for `url`. Raises ValueError for an unknown address."""
        if url not in self._resources:
            raise ValueError(f"The report may not load {url[:100]!r}.")
        media_type, body = self._resources[url]
        return URLFetcherResponse(url, body, {"Content-Type": media_type})


class _MissingGlyphs(logging.Filter):
    """Counts letters that no font has, and drops WeasyPrint's log lines, which spell out clinical text in order."""

    count = 0

    def filter(self, record: logging.LogRecord) -> bool:
        missing = str(record.msg).startswith(".notdef glyph")
        self.count += missing
        return not missing


_missing = _MissingGlyphs()
logging.getLogger("weasyprint").addFilter(_missing)
logging.getLogger("weasyprint.progress").setLevel(logging.WARNING)


actual_text.install()


@cache
def _font_files() -> HandedOverFiles:
    """The fonts, read once per process."""
    return HandedOverFiles(
        {
            _address(face): ("font/ttf", (STATIC / "fonts" / face.file).read_bytes())
            for face in report_fonts.FACES
        }
    )


def _address(face: report_fonts.Face) -> str:
    return f"{SCHEME}:{face.file}"


@cache
def _styles() -> weasyprint.CSS:
    """The style sheet, parsed once per process."""
    text = (STATIC / "css" / "print.css").read_text(encoding="utf-8")
    return weasyprint.CSS(string=text, url_fetcher=HandedOverFiles({}))


def warm_up() -> None:
    """Read fonts and styles now. A worker may call it before it forks, which saves each job 20 ms."""
    _font_files()
    _styles()


@contextmanager
def _font_faces(text: str) -> Iterator[tuple[FontConfiguration, weasyprint.CSS]]:
    """The fonts that this text needs, as Pango sees them, for one report (about 6 ms, plus 3 ms per further
    script).

    Not cached per process: newer Pango versions serve a font map from their own thread, which a forked worker would
    lack.
    """
    faces = "".join(
        f'@font-face {{ font-family: "{face.family}"; font-weight: {face.weight}; src: url("{_address(face)}"); }}'
        for face in report_fonts.faces_for(text)
    )
    config = FontConfiguration()
    try:
        yield config, weasyprint.CSS(string=faces, url_fetcher=_font_files(), font_config=config)
    finally:
        # WeasyPrint deletes its copies of the font files at garbage collection, which a forked worker never
        # reaches.
        shutil.rmtree(config._folder, ignore_errors=True)


def printable_jpeg(picture: bytes) -> bytes:
    """Convert `picture` (any format that Pillow reads) to a JPEG of at most MAX_SIDE pixels a side and
    MAX_PICTURE_BYTES bytes.

    Grey pictures stay grey; metadata is dropped; first quality and then size are reduced until the file is small
    enough. Raises ReportRenderError when the picture cannot be read.
    """
    try:
        with Image.open(io.BytesIO(picture)) as opened:
            opened.draft("RGB" if opened.mode != "L" else "L", (MAX_SIDE, MAX_SIDE))
            image = ImageOps.exif_transpose(opened)
            image.load()
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise ReportRenderError("A picture of the report cannot be read.") from error
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    elif image.mode not in ("L", "RGB"):
        image = image.convert("RGBA" if "transparency" in image.info or image.mode == "LA" else "RGB")
        if image.mode == "RGBA":
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    while True:
        for quality in (88, 80, 70, 58, 45):
            out = io.BytesIO()
            image.save(out, "JPEG", quality=quality, optimize=True)
            if out.tell() <= MAX_PICTURE_BYTES:
                return out.getvalue()
        image = image.reduce(2)


def _laid_over(scan: bytes, layer: bytes) -> bytes:
    try:
        return blend(scan, layer, MAX_SIDE)
    except (UndecodableImage, OSError) as error:
        raise ReportRenderError("A picture of the report cannot be read.") from error


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale the used range of a picture with 16 bits or more to 8 bits."""
    pixels = np.asarray(image, dtype=np.float64)
    low, high = pixels.min(), pixels.max()
    return Image.fromarray(((pixels - low) * (255 / ((high - low) or 1))).astype(np.uint8))


def render_pdf(context: ReportContext, env: Environment) -> bytes:
    """Render the report as PDF/A-3u, tagged for screen readers. The same context gives the same bytes.

    This runs in the calling process, without limits; pages and jobs use `csss.reports.printing`. Raises
    ReportRenderError when a picture cannot be read or when anything requests an external address.
    """
    return typeset(sheet(context, env))


def typeset(given: Sheet) -> bytes:
    """Convert the sheet to a PDF, with its pictures and our fonts. Raises ReportRenderError."""
    scan = printable_jpeg(given.scan)
    resources = {SCAN: ("image/jpeg", scan)}
    if given.heatmap:
        resources[HEATMAP] = ("image/jpeg", printable_jpeg(_laid_over(scan, given.heatmap)))
    if given.logo:
        resources[LOGO] = ("image/jpeg", printable_jpeg(given.logo))
    return press(given.html, resources, _styles(), given.identifier)


def press(
    html: str, resources: Mapping[str, tuple[str, bytes]], styles: weasyprint.CSS, identifier: bytes
) -> bytes:
    """A document as PDF/A-3u with our fonts and what is handed over, and nothing else. Raises ReportRenderError."""
    try:
        with _layout, _font_faces(printed_text(html)) as (config, faces):
            _missing.count = 0
            document = weasyprint.HTML(string=html, url_fetcher=HandedOverFiles(resources))
            pdf: bytes = document.write_pdf(
                stylesheets=[faces, styles],
                font_config=config,
                pdf_variant="pdf/a-3u",
                pdf_tags=True,
                pdf_identifier=identifier,
            )
            missing = _missing.count
    except FatalURLFetchingError as error:
        # It derives from BaseException, which would stop the worker together with the job.
        raise ReportRenderError(str(error)) from error
    if missing or foreign_fonts(pdf):
        raise UnprintableText(report_fonts.problem(printed_text(html)) or _A_LETTER)
    return pdf
