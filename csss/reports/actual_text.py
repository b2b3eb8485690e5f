"""Beside each line of Devanagari or Tamil a PDF keeps the text itself (ActualText, ISO 32000-2, 14.9.4).

A PDF otherwise tells its text by glyphs, each with the letters that it stood for first. In these scripts letters join and
change places, so a line that is copied, searched or read out would lose some and have others in the order of the paper.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from weasyprint.formatting_structure.boxes import Box, TextBox
from weasyprint.pdf.stream import Stream, pydyf

from csss.report_fonts import is_shaped

_marked = Stream.marked


@contextmanager
def _marked_with_text(stream: Stream, box: Box, tag: str) -> Iterator[None]:
    """What WeasyPrint does around each line (`Stream.marked`), and inside it the text where glyphs do not tell it."""
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
    """From now on all PDFs of this process have it."""
    Stream.marked = _marked_with_text
