"""Why a DICOM file is refused. Both sides of the sandbox know these; `csss.dicom.sentences` has the words.

This module imports nothing of ours, because the child loads it.
"""

from enum import StrEnum


class Problem(StrEnum):
    """One reason each. The value travels from the child to the parent."""

    NOT_DICOM = "not-dicom"
    CUT_OFF = "cut-off"
    DAMAGED = "damaged"
    TOO_DEEP = "too-deep"
    TOO_MANY_ELEMENTS = "too-many-elements"
    INFLATES_TOO_FAR = "inflates-too-far"
    NO_PICTURE = "no-picture"
    TOO_MANY_PIXELS = "too-many-pixels"
    TOO_MANY_FRAMES = "too-many-frames"
    NO_SUCH_FRAME = "no-such-frame"
    WRONG_LENGTH = "wrong-length"
    OTHER_SIZE_INSIDE = "other-size-inside"
    UNKNOWN_SYNTAX = "unknown-syntax"
    VIDEO = "video"
    UNSUPPORTED_VALUES = "unsupported-values"
    UNSUPPORTED_COLOURS = "unsupported-colours"


class Unreadable(ValueError):
    """The file, or its picture, is refused for `problem`. `facts` are numbers and short words for the sentence."""

    def __init__(self, problem: Problem, **facts: int | str) -> None:
        self.problem, self.facts = problem, facts
        super().__init__(f"{problem}: {facts}")
