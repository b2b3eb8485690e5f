"""Whether a PDF is PDF/A-3u, as far as can be seen without veraPDF."""

import io
from collections.abc import Iterator
from typing import Any

import pikepdf


def pdfa_problems(pdf: bytes) -> list[str]:
    """What keeps `pdf` from being PDF/A-3u as far as can be seen without veraPDF; an empty list when nothing does.

    Looked at: encryption, the conformance in the XMP metadata, the output intent, the file identifier, title and
    language, that every font is embedded and maps to Unicode, no JavaScript or other action on opening, no interpolated
    picture, no LZW. (ISO 19005-3, clauses 6.1 to 6.7; it is no full validation.)
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
