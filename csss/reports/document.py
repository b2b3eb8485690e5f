"""Render a report context to HTML, without the layout engine."""

from __future__ import annotations

import hashlib
import re
import struct
from html import unescape
from typing import Any, NamedTuple

from jinja2 import Environment

from csss.reports.context import DISCLAIMER, DISCLAIMER_SILENT, ReportContext, day

SCHEME = "csss-report"
SCAN = f"{SCHEME}:scan"
HEATMAP = f"{SCHEME}:heatmap"
LOGO = f"{SCHEME}:logo"
DRAFT = "DRAFT – not released"

# Control characters do not print. Direction overrides could make text read as something else. A variation selector
# requests a coloured emoji, from whatever font the machine has.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufe00-\ufe0f\ufffe\uffff]"
)
_LINE_BREAKS = re.compile("[\u2028\u2029]")  # some fonts show a box for them within a paragraph


class ReportRenderError(RuntimeError):
    """The report cannot be made: a picture cannot be read, or something requested an external address."""


class UnprintableText(ReportRenderError):
    """The report has characters that its fonts lack; the message names the words."""


def report_html(
    context: ReportContext,
    env: Environment,
    *,
    watermark: str | None = None,
    scan_src: str = SCAN,
    heatmap_src: str = HEATMAP,
    whole: bool = True,
) -> str:
    """Render the report as HTML: a complete document, or with `whole=False` only its root element, for a page to
    include.

    `env` is the application's environment (autoescape on). A page passes the addresses of its own pictures; a draft
    is always marked as one.
    """
    if not env.autoescape:
        raise ValueError("The report needs an environment that escapes.")
    mark = watermark or (DRAFT if context.draft else None)
    values: dict[str, Any] = {
        "report": context,
        "day": day,
        "created": context.local(context.created_at).isoformat(timespec="seconds"),
        "scan_src": scan_src,
        "heatmap_src": heatmap_src if _heatmap(context) else None,
        "logo_src": LOGO if context.hospital.logo else None,
        "watermark": mark,
        "disclaimer": DISCLAIMER if context.prediction else DISCLAIMER_SILENT,
    }
    template = env.get_template("report/scan_report.html" if whole else "report/_body.html")
    return _LINE_BREAKS.sub(" ", _UNPRINTABLE.sub("", template.render(values)))


_TAGS = re.compile("<[^>]*>")


def printed_text(html: str) -> str:
    """The printed text of a report's HTML, without tags, as words that `report_fonts` can name."""
    return unescape(_TAGS.sub(" ", html))


_LENGTHS = struct.Struct(">IIII")


class Sheet(NamedTuple):
    """The complete input of the layout engine; `identifier` is the PDF's 16-byte file identifier."""

    identifier: bytes
    html: str
    scan: bytes
    heatmap: bytes | None
    logo: bytes | None = None

    def pack(self) -> bytes:
        parts = (self.html.encode(), self.scan, self.heatmap or b"", self.logo or b"")
        return self.identifier + _LENGTHS.pack(*map(len, parts)) + b"".join(parts)

    @classmethod
    def unpack(cls, packed: bytes) -> Sheet:
        parts, start = [], 16 + _LENGTHS.size
        for length in _LENGTHS.unpack_from(packed, 16):
            parts.append(packed[start : start + length])
            start += length
        html, scan, heatmap, logo = parts
        return cls(packed[:16], html.decode(), scan, heatmap or None, logo or None)


def sheet(context: ReportContext, env: Environment, *, watermark: str | None = None) -> Sheet:
    """Build the sheet; the same version of the same report always gets the same identifier."""
    number = hashlib.sha256(f"{context.report_id} {context.version}".encode()).digest()[:16]
    html = report_html(context, env, watermark=watermark)
    return Sheet(number, html, context.scan.image, _heatmap(context), context.hospital.logo)


def _heatmap(context: ReportContext) -> bytes | None:
    return context.prediction.heatmap if context.prediction else None
