"""Ask the sandboxed child about a DICOM file: facts, stored values, an 8-bit picture. Nothing is decoded in this process.

Web processes and workers call this; none of them loads pydicom or a decoder. Each function takes the bytes of one file of at
most `limits.MAX_BYTES`, and raises `RefusedDicom` with a sentence for the user, or `csss.confinement.parent.Busy` when many
are being opened.
"""

import logging
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csss.confinement.child import Program
from csss.confinement.parent import Busy, Room, Unfinished, run_forked
from csss.dicom import limits, wire
from csss.dicom.facts import DeidentifiedFacts, DicomFacts, GreyWindow
from csss.dicom.problems import Problem
from csss.dicom.pseudonyms import Rules
from csss.dicom.sentences import cannot_be_opened, sentence_for
from csss.errors import Invalid

log = logging.getLogger(__name__)

# Measured with 40 million pixels, the most that is accepted: 360 MB in grey of 16 bits, 690 MB in colour; 2 to 9 s of CPU
# time, and about 1 s for each million pixels of a noisy, lossless JPEG 2000.
READER = Program(
    "csss.dicom.child",
    memory=1_200_000_000,
    cpu_seconds=60,
    seconds=120,
    largest_answer=170_000_000,
    sealed=True,
)
_room = Room(READER, at_once=2, patience=30, nice=5)


# Types of stored values, as the child names them.
_TYPES = {"i2": "<i2", "u2": "<u2", "u1": "u1"}


class RefusedDicom(Invalid):
    """The file is refused; the sentence stands beside the field `file`."""

    def __init__(self, problem: Problem | None, sentence: str) -> None:
        self.problem = problem  # None: the reader did not survive the file, or reached a limit
        super().__init__(file=sentence)


@dataclass(frozen=True)
class StoredValues:
    """One frame as the modality stored it: int16 or uint16, shape (rows, columns).

    A colour has the shape (rows, columns, 3), and uint8 where it has 8 bits.
    """

    values: NDArray[np.int16] | NDArray[np.uint16] | NDArray[np.uint8]


@dataclass(frozen=True)
class ShownPicture:
    """One frame as a PNG of 8-bit grey or RGB, with square pixels; `window` is None for colours and lookup tables."""

    content: bytes
    width: int
    height: int
    colour: bool
    window: GreyWindow | None


@dataclass(frozen=True)
class DirectoryFile:
    """One object that a DICOMDIR names, by components with slashes between, in capitals."""

    kind: str
    path: str
    sop_class_uid: str
    sop_instance_uid: str


_forks = False


def warm_up() -> None:
    """Start a child before the first file arrives: loading the decoders takes about a second."""
    _room.prepare()


def open_in_forks() -> None:
    """Load the decoders in this process, and open each file in a fork of it, which takes milliseconds.

    For a worker that opens many files. Never for a web process: see `csss.confinement.parent.run_forked`.
    """
    global _forks  # noqa: PLW0603 - once, when a worker starts
    import_module(READER.module).warm_up()
    _forks = True


def facts_of(content: bytes) -> DicomFacts:
    """What the file says, without decoding its pixels. Raises RefusedDicom, Busy."""
    return _checked(DicomFacts, _ask(wire.FACTS, {}, content)[0])


def stored_values(content: bytes, *, frame: int = 0) -> StoredValues:
    """Decode one frame (from 0) to stored values, for windowing and for measuring. Raises RefusedDicom, Busy."""
    head, body = _ask(wire.VALUES, {"frame": frame}, content)
    try:
        shape = tuple(_integer(each, limits.MAX_FRAME_PIXELS) for each in head["shape"])
        if len(shape) not in {2, 3} or shape[2:] not in {(), (3,)}:
            raise ValueError("no picture")
        values = np.frombuffer(body, _TYPES[head["type"]]).reshape(shape)
    except (ValueError, TypeError, KeyError) as error:
        raise _unbelievable(error) from None
    return StoredValues(values)


def picture_of(
    content: bytes,
    *,
    frame: int = 0,
    window: GreyWindow | None = None,
    overlays: bool = False,
    square: bool = True,
    everything: bool = False,
) -> ShownPicture:
    """Show one frame (from 0) in 8 bits. Raises RefusedDicom, Busy.

    Without a `window`, the view is the file's first VOI lookup table, its first window, or one that follows from the
    values. `everything` shows them from darkest to brightest, `overlays` draws the overlays, and `square=False` leaves
    pixels that are not square as they are stored.
    """
    options = {
        "frame": frame,
        "window": wire.plain_of(window) if window else None,
        "overlays": overlays,
        "square": square,
        "everything": everything,
    }
    head, body = _ask(wire.PICTURE, options, content)
    try:
        height, width = (_integer(each, limits.MAX_FRAME_PIXELS) for each in head["shape"])
        chosen = wire.typed(GreyWindow, head["window"]) if head["window"] is not None else None
        if not body.startswith(b"\x89PNG\r\n\x1a\n"):
            raise ValueError("no PNG")
        return ShownPicture(body, width, height, head["colour"] is True, chosen)
    except (ValueError, TypeError, KeyError) as error:
        raise _unbelievable(error) from None


def directory_of(content: bytes) -> tuple[DirectoryFile, ...]:
    """Which files a DICOMDIR names. Raises RefusedDicom, Busy."""
    head, _ = _ask(wire.DIRECTORY, {}, content)
    try:
        rows = [
            dict(zip(("kind", "path", "sop_class_uid", "sop_instance_uid"), each, strict=True))
            for each in head["files"]
        ]
        return tuple(wire.typed(DirectoryFile, row) for row in rows)
    except (ValueError, TypeError, KeyError) as error:
        raise _unbelievable(error) from None


def deidentified(content: bytes, rules: Rules) -> tuple[bytes, DeidentifiedFacts]:
    """The file without what tells who the patient is, by PS3.15. Raises RefusedDicom, Busy."""
    head, body = _ask(wire.DEIDENTIFY, {"rules": wire.plain_of(rules)}, content)
    return body, _checked(DeidentifiedFacts, head)


def _ask(what: bytes, options: dict[str, Any], content: bytes) -> tuple[Any, bytes]:
    if len(content) > limits.MAX_BYTES:
        raise RefusedDicom(Problem.DAMAGED, cannot_be_opened())
    try:
        state, head, body = wire.parts_of(_answer(wire.request_of(what, options, content)))
        if state == wire.DONE:
            return head, body
        problem = Problem(head["problem"])
        facts = {str(name)[:32]: str(each)[:64] for name, each in head["facts"].items()}
    except Busy:
        raise
    except (Unfinished, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        log.warning("a DICOM file could not be read within its limits: %s", error)
        raise RefusedDicom(None, cannot_be_opened()) from None
    raise RefusedDicom(problem, sentence_for(problem, facts))


def _answer(request: bytes) -> bytes:
    return run_forked(READER, request) if _forks else _room.run(request)


def _checked(kind: Any, head: Any) -> Any:
    try:
        return wire.typed(kind, head)
    except (ValueError, TypeError) as error:
        raise _unbelievable(error) from None


def _unbelievable(error: Exception) -> RefusedDicom:
    log.warning("the reader of DICOM files gave an answer that is none: %s", error)
    return RefusedDicom(None, cannot_be_opened())


def _integer(value: Any, most: int) -> int:
    if type(value) is not int or not 0 < value <= most:
        raise ValueError("no size")
    return value
