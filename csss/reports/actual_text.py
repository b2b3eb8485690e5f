"""Store the text of each line of Devanagari or Tamil in the PDF (ActualText, ISO 32000-2, 14.9.4).

Otherwise a PDF derives text from glyphs: each glyph has the letters that it stood for first. In these scripts
letters join and change places, so copying, searching or reading a line aloud would lose letters or give them in
visual order.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from weasyprint.formatting_structure.boxes import Box, TextBox
from weasyprint.pdf.stream import Stream, pydyf

from csss.report_fonts import is_shaped

_marked = Stream.marked


@contextmanager
def _marked_with_text(stream: Stream, box: Box, tag: str) -> Iterator[None]:
    """Do what WeasyPrint does around each line (`Stream.marked`), and add the text where glyphs do not give it."""
    with _marked(stream, box, tag):
        if not (isinstance(box, TextBox) and is_shaped(box.text)):
            yield
            return
        pydyf.Stream.begin_marked_content(
            stream, "Span", pydyf.Dictionary({"ActualText": pydyf.String(box.text)})
        )
        try:
            yield
        finally:
            pydyf.Stream.end_marked_content(stream)


def install() -> None:
    """Enable it for all PDFs that this process makes."""
    Stream.marked = _marked_with_text
