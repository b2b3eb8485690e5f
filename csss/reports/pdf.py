"""Process finished PDFs: fingerprint, the encrypted copy for the mail, and the fonts in them."""

from __future__ import annotations

import hashlib
import io
import secrets
import unicodedata

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
