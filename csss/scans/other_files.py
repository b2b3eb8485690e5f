"""Say what somebody can do instead who has sent a file that is no picture for us. Tells the sort by its first bytes."""

from collections.abc import Callable

from csss.i18n import _

_ZIP, _OLD_OFFICE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OFFICE_PARTS = (b"word/", b"xl/", b"ppt/", b"[Content_Types].xml", b"mimetypeapplication/vnd.oasis")
_AS_PICTURE_BRANDS = (b"avif", b"avis", b"hevc", b"hevx", b"msf1")
_PICTURES = (
    b"GIF8",
    b"BM",
    b"II*\x00",
    b"MM\x00*",
    b"\x00\x00\x01\x00",
    b"\x00\x00\x00\x0cjP  ",
    b"\xffO\xffQ",
)
_VIDEOS = (b"\x1aE\xdf\xa3", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3", b"FLV", b"0&\xb2u\x8ef\xcf\x11")


def sentence(content: bytes) -> str:
    """What this file is, as far as it can be told, and what to send instead."""
    return next((words() for is_one, words in _SORTS if is_one(content)), _unknown())


def _is_dicom(content: bytes) -> bool:
    return content[128:132] == b"DICM"


def _is_pdf(content: bytes) -> bool:
    return content.startswith(b"%PDF-")


def _is_other_picture(content: bytes) -> bool:
    webp = content.startswith(b"RIFF") and content[8:12] == b"WEBP"
    brand = content[4:8] == b"ftyp" and content[8:12] in _AS_PICTURE_BRANDS
    return webp or brand or content.startswith(_PICTURES)


def _is_video(content: bytes) -> bool:
    avi = content.startswith(b"RIFF") and content[8:12] == b"AVI "
    return avi or content[4:8] in {b"ftyp", b"moov"} or content.startswith(_VIDEOS)


def _is_text_document(content: bytes) -> bool:
    if content.startswith((_OLD_OFFICE, b"{\\rtf")):
        return True
    return content.startswith(_ZIP) and any(part in content[:4000] for part in _OFFICE_PARTS)


def _is_archive(content: bytes) -> bool:
    return content.startswith((_ZIP, b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b"))


_SORTS: tuple[tuple[Callable[[bytes], bool], Callable[[], str]], ...] = (
    (
        _is_dicom,
        lambda: _(
            "This is a DICOM file, as hospitals keep them. It cannot be taken yet: open it in the viewer that came "
            "with it, save the picture as JPEG or PNG, and send that."
        ),
    ),
    (
        _is_pdf,
        lambda: _(
            "This is a PDF, not a picture. Open it, take a screenshot of the page that shows the scan, and send the "
            "screenshot. A written report alone cannot be read here."
        ),
    ),
    (
        _is_other_picture,
        lambda: _(
            "This sort of picture cannot be taken. Open it, save it as JPEG or PNG (or take a screenshot of it), and "
            "send that."
        ),
    ),
    (
        _is_video,
        lambda: _(
            "This is a video. Send a picture: stop the video where the whole scan can be seen, take a screenshot, and "
            "send that."
        ),
    ),
    (
        _is_text_document,
        lambda: _(
            "This is a document of Word or another office program. Open it, save the picture in it as JPEG or PNG (or "
            "take a screenshot of it), and send that."
        ),
    ),
    (
        _is_archive,
        lambda: _(
            "This is a packed folder (such as ZIP). Unpack it, choose the one picture of the scan in it, and send that."
        ),
    ),
)


def _unknown() -> str:
    return _(
        "This is no picture that can be read here, whatever its name says. Send a JPEG, PNG or HEIC picture: a photo "
        "of the film or a screenshot will do."
    )
