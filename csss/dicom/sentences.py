"""The sentences with which a DICOM file is refused: what is wrong, and what to do about it."""

from csss.dicom.problems import Problem
from csss.i18n import _


def sentence_for(problem: Problem, facts: dict[str, str]) -> str:
    """One or two sentences for a user. Numbers come from `facts`, which the sandboxed child has filled in."""
    return str(_SENTENCES[problem](_SaidNumbers(facts)))


class _SaidNumbers(dict[str, str]):
    """What the child did not say is a question mark, and nothing fails."""

    def __missing__(self, _key: str) -> str:
        return "?"


def _no_dicom(_n: _SaidNumbers) -> str:
    return _(
        "This is no DICOM file, whatever its name says. Export the picture again, or send a JPEG or PNG."
    )


def _cut_off(_n: _SaidNumbers) -> str:
    return _("The file is cut off: its end is missing. Copy or export it again, and send the new one.")


def _damaged(_n: _SaidNumbers) -> str:
    return _(
        "The file is damaged: what it says of itself does not fit together. Export it again, and send the new one."
    )


def _too_deep(n: _SaidNumbers) -> str:
    return _(
        "The file holds lists within lists, more than %(levels)s deep, and cannot be read safely. Export it again, or ask "
        "the maker of the device.",
        levels=n["levels"],
    )


def _too_many_elements(_n: _SaidNumbers) -> str:
    return _(
        "The file holds far more entries than a picture needs, and cannot be read safely. Export single pictures."
    )


def _inflates(n: _SaidNumbers) -> str:
    return _(
        "The file is packed, and unpacks to more than %(megabytes)s MB. Export it again without packing (transfer syntax "
        "“Explicit VR Little Endian”).",
        megabytes=n["megabytes"],
    )


def _no_picture(_n: _SaidNumbers) -> str:
    return _(
        "This DICOM file holds no picture. Send the pictures of the study; reports and plans are not taken."
    )


def _pixels(n: _SaidNumbers) -> str:
    return _(
        "The picture has %(columns)s × %(rows)s pixels; at most %(millions)s million can be taken. Export it smaller.",
        columns=n["columns"],
        rows=n["rows"],
        millions=n["millions"],
    )


def _frames(n: _SaidNumbers) -> str:
    return _(
        "The file has %(frames)s frames; at most %(most)s frames, and %(megabytes)s MB of pixels, can be taken. Export a "
        "part of the series.",
        frames=n["frames"],
        most=n["most"],
        megabytes=n["megabytes"],
    )


def _no_frame(n: _SaidNumbers) -> str:
    return _("There is no frame %(frame)s; the file has %(frames)s.", frame=n["frame"], frames=n["frames"])


def _length(n: _SaidNumbers) -> str:
    return _(
        "The file holds more or less of its picture than it says (%(held)s instead of %(wanted)s). Copy or export it again.",
        held=n["held"],
        wanted=n["wanted"],
    )


def _other_size(n: _SaidNumbers) -> str:
    return _(
        "The file says that its picture has %(said)s pixels, but %(columns)s × %(rows)s are inside. Export it again.",
        said=n["said"],
        columns=n["columns"],
        rows=n["rows"],
    )


def _syntax(n: _SaidNumbers) -> str:
    return _(
        "The picture is compressed in a way that cannot be read here (%(syntax)s). Export it uncompressed, or as JPEG or "
        "JPEG 2000 within DICOM.",
        syntax=n["syntax"],
    )


def _video(_n: _SaidNumbers) -> str:
    return _(
        "The file is a video, which cannot be read here. Export its frames as single pictures or as a series."
    )


def _values(n: _SaidNumbers) -> str:
    return _(
        "The picture has values of %(bits)s bits, as dose plans and maps have; pictures have 8 to 16. Send the pictures of "
        "the study itself.",
        bits=n["bits"],
    )


def _colours(n: _SaidNumbers) -> str:
    return _(
        "The picture's colours are stored in a way that cannot be read here (%(colours)s). Export it in grey or RGB.",
        colours=n["colours"],
    )


_SENTENCES = {
    Problem.NOT_DICOM: _no_dicom,
    Problem.CUT_OFF: _cut_off,
    Problem.DAMAGED: _damaged,
    Problem.TOO_DEEP: _too_deep,
    Problem.TOO_MANY_ELEMENTS: _too_many_elements,
    Problem.INFLATES_TOO_FAR: _inflates,
    Problem.NO_PICTURE: _no_picture,
    Problem.TOO_MANY_PIXELS: _pixels,
    Problem.TOO_MANY_FRAMES: _frames,
    Problem.NO_SUCH_FRAME: _no_frame,
    Problem.WRONG_LENGTH: _length,
    Problem.OTHER_SIZE_INSIDE: _other_size,
    Problem.UNKNOWN_SYNTAX: _syntax,
    Problem.VIDEO: _video,
    Problem.UNSUPPORTED_VALUES: _values,
    Problem.UNSUPPORTED_COLOURS: _colours,
}


def cannot_be_opened() -> str:
    """For a file that used up its limits, or brought the reader down."""
    return _(
        "The file takes too much memory or time to open. Export it again, uncompressed, and send the new one."
    )
