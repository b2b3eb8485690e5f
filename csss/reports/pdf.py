"""Process finished PDFs: fingerprint, the encrypted copy for the mail, and a check of the PDF/A marks."""

from __future__ import annotations

import hashlib
import io
import secrets
import unicodedata
from collections.abc import Iterator
from typing import Any

import pikepdf

from csss.report_fonts import CHARACTERS

MAX_PASSPHRASE_BYTES = 127  # ISO 32000-2, 7.6.4.3.3: longer pass phrases are silently truncated


def sha256(pdf: bytes) -> str:
    """The SHA-256 of the stored file, 64 lower-case hexadecimal digits."""
    return hashlib.sha256(pdf).hexdigest()


def encrypt_pdf(pdf: bytes, passphrase: str) -> bytes:
    """A copy of `pdf` that opens only with `passphrase`: AES-256 (R=6), printing allowed, changes not allowed.

    The owner password is random and discarded. The pass phrase is normalised to NFKC, as PDF readers do with input.
    The copy no longer declares PDF/A, which forbids encryption. Raises ValueError when the pass phrase is blank or
    longer than 127 bytes in UTF-8.
    """
    normal = unicodedata.normalize("NFKC", passphrase)
    if not normal.strip():
        raise ValueError("The pass phrase is blank.")
    if len(normal.encode()) > MAX_PASSPHRASE_BYTES:
        raise ValueError("The pass phrase is longer than 127 bytes.")
    allowed = pikepdf.Permissions(
        accessibility=True,
        extract=True,
        print_lowres=True,
        print_highres=True,
        modify_annotation=False,
        modify_assembly=False,
        modify_form=False,
        modify_other=False,
    )
    lock = pikepdf.Encryption(owner=secrets.token_urlsafe(32), user=normal, R=6, allow=allowed)
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as document:
        with document.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as meta:
            for key in ("pdfaid:part", "pdfaid:conformance"):
                if key in meta:
                    del meta[key]
        document.save(out, encryption=lock)
    return out.getvalue()


def foreign_fonts(pdf: bytes) -> list[str]:
    """The fonts in `pdf` that are not the report's own: the layout engine took them from the machine for letters
    that ours lack."""
    ours = {family.replace(" ", "-") for family in CHARACTERS}
    with pikepdf.open(io.BytesIO(pdf)) as document:
        names = {
            str(item.BaseFont).partition("+")[2]
            for item in document.objects
            if isinstance(item, pikepdf.Dictionary) and item.get("/Type") == "/Font"
        }
    return sorted(name for name in names if name.removesuffix("-Bold") not in ours)


def pdfa_problems(pdf: bytes) -> list[str]:
    """What keeps `pdf` from being PDF/A-3u, as far as this can be checked without veraPDF; an empty list when
    nothing does.

    Checks encryption, the conformance in the XMP metadata, the output intent, the file identifier, title and
    language, that every font is embedded and maps to Unicode, no JavaScript or other action on opening, no
    interpolated picture, no LZW (ISO 19005-3, clauses 6.1 to 6.7). This is not a full validation.
    """
    try:
        document = pikepdf.open(io.BytesIO(pdf))
    except pikepdf.PasswordError:
        return ["The file is encrypted."]
    with document:
        return [
            *(["The file is encrypted."] if document.is_encrypted else []),
            *_document_problems(document),
            *(problem for item in document.objects for problem in _object_problems(item)),
        ]


def _document_problems(document: Any) -> Iterator[str]:
    root = document.Root
    meta = document.open_metadata()
    if meta.pdfa_status != "3U":
        yield f"The metadata states PDF/A {meta.pdfa_status or 'nothing'} instead of 3U."
    if not str(meta.get("dc:title", "")).strip():
        yield "The metadata has no title."
    if not str(root.get("/Lang", "")):
        yield "The document has no language."
    intents = [intent for intent in root.get("/OutputIntents", []) if intent.get("/S") == "/GTS_PDFA1"]
    if not any("/DestOutputProfile" in intent for intent in intents):
        yield "There is no PDF/A output intent with a colour profile."
    if "/ID" not in document.trailer:
        yield "The file has no identifier."
    if "/OpenAction" in root or "/AA" in root:
        yield "An action runs when the document is opened."
    if "/JavaScript" in root.get("/Names", {}):
        yield "The document holds JavaScript."


def _object_problems(item: Any) -> Iterator[str]:
    if not isinstance(item, pikepdf.Dictionary | pikepdf.Stream):
        return
    if "/JS" in item or item.get("/S") == "/JavaScript":
        yield "An object holds JavaScript."
    if item.get("/Interpolate", False):
        yield "A picture asks to be interpolated."
    if "/LZWDecode" in str(item.get("/Filter", "")):
        yield "A stream uses LZW."
    if item.get("/Type") == "/Annot" and not int(item.get("/F", 0)) & 4:
        yield "An annotation is not printed."
    if item.get("/Type") == "/Font" and "/DescendantFonts" in item and "/ToUnicode" not in item:
        yield f"The font {item.get('/BaseFont')} does not map to Unicode."
    if item.get("/Type") == "/Font" and "/DescendantFonts" not in item and item.get("/Subtype") != "/Type3":
        descriptor: Any = item.get("/FontDescriptor", {})
        if not any(key in descriptor for key in ("/FontFile", "/FontFile2", "/FontFile3")):
            yield f"The font {item.get('/BaseFont')} is not embedded."
