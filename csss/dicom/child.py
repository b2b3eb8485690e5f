"""Open DICOM files. No other code of a running system does: this is the program of a sandboxed child process.

A request is one letter, options as JSON, and the file; an answer is a state, a head as JSON, and bytes.
`csss.dicom.reading` is the other side. Whatever a file does to this process, it is gone after one answer.
"""

import codecs as encodings
import io
import json
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import config
from pydicom.charset import python_encoding
from pydicom.dataset import Dataset

from csss.dicom import directory, overlays
from csss.dicom.colours import rgb_of
from csss.dicom.deidentify import deidentified, profile
from csss.dicom.facts import DicomFacts, GreyWindow, PictureFacts
from csss.dicom.geometry import GREY, Geometry, check_native_length, geometry_of
from csss.dicom.headers import header_of, number_of, text_of, whole_data_set
from csss.dicom.limits import MAX_FRAME_PIXELS
from csss.dicom.problems import Problem, Unreadable
from csss.dicom.pseudonyms import Rules
from csss.dicom.samples import stored_frame
from csss.dicom.samples_for_warm_up import samples
from csss.dicom.spacing import aspect_of, spacing_of
from csss.dicom.structure import Layout, layout_of
from csss.dicom.syntaxes import LOSSY
from csss.dicom.tags import object_tags, patient_tags, study_tags
from csss.dicom.views import kind_of_view
from csss.dicom.windows import LookupTable, pipeline_of
from csss.dicom.wire import (
    ANSWER,
    DEIDENTIFY,
    DIRECTORY,
    DONE,
    FACTS,
    PICTURE,
    REFUSED,
    REQUEST,
    VALUES,
    plain_of,
    request_of,
    typed,
)


class Opened(NamedTuple):
    """A file whose structure and sizes have been checked."""

    layout: Layout
    data: Dataset
    geometry: Geometry


@cache
def warm_up() -> None:
    """Load everything that reading may need: the sandbox allows no opening of files later. Once: a fork has it all."""
    warnings.simplefilter("ignore")
    config.settings.reading_validation_mode = config.IGNORE
    for name in {
        *python_encoding.values(),
        "ascii",
        "iso2022_jp_2",
        "euc_kr",
        "gb18030",
        "utf-8",
        "latin-1",
        "idna",
    }:
        encodings.lookup(name)
    profile()
    for content in samples():
        for what in (FACTS, VALUES, PICTURE):
            if answer(request_of(what, {}, content))[0] != DONE:
                raise RuntimeError("a decoder is missing")


def answer(request: bytes) -> bytes:
    """Serve one request. What is wrong with the file is an answer, too."""
    what, length = REQUEST.unpack_from(request)
    options = json.loads(request[REQUEST.size : REQUEST.size + length])
    content = request[REQUEST.size + length :]
    del request
    try:
        head, body = _WORK[what](content, options)
        state = DONE
    except Unreadable as refusal:
        facts = {name: str(each) for name, each in refusal.facts.items()}
        head, body, state = {"problem": refusal.problem.value, "facts": facts}, b"", REFUSED
    packed = json.dumps(head).encode()
    return ANSWER.pack(state, len(packed)) + packed + body


def _opened(content: bytes) -> Opened:
    layout = layout_of(content)
    data = header_of(layout)
    return Opened(layout, data, geometry_of(layout, data))


def _facts(content: bytes, _options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    layout = layout_of(content)
    data = header_of(layout)
    picture, refused = None, ""
    facts: tuple[tuple[str, str], ...] = ()
    try:
        geometry = geometry_of(layout, data)
        if layout.fragments is None:
            check_native_length(layout, geometry)
        picture = picture_facts(data, geometry)
    except Unreadable as refusal:
        if refusal.problem is not Problem.NO_PICTURE:
            refused = refusal.problem.value
            facts = tuple((name, str(each)) for name, each in refusal.facts.items())
    found = DicomFacts(
        patient_tags(data),
        study_tags(data),
        object_tags(data),
        kind_of_view(data),
        picture,
        refused,
        facts,
        tuple(layout.remarks),
    )
    return plain_of(found), b""


def picture_facts(data: Dataset, geometry: Geometry) -> PictureFacts:
    """Describe the pixels of a file without decoding them."""
    pipeline = pipeline_of(data, geometry, 0)
    rate = number_of(data, "CineRate") or number_of(data, "RecommendedDisplayFrameRate")
    apart = number_of(data, "FrameTime") or (1000 / rate if rate else None)
    lossy = text_of(data, "LossyImageCompression") == "01" or geometry.transfer_syntax in LOSSY
    return PictureFacts(
        rows=geometry.rows,
        columns=geometry.columns,
        frames=geometry.frames,
        colour=geometry.photometric not in GREY,
        bits_stored=geometry.bits_stored,
        signed=geometry.signed,
        photometric=geometry.photometric,
        transfer_syntax=geometry.transfer_syntax,
        lossy=lossy,
        spacing=spacing_of(data),
        aspect=aspect_of(data),
        slope=pipeline.slope,
        intercept=pipeline.intercept,
        unit=pipeline.unit,
        modality_lut=pipeline.modality is not None,
        voi_luts=len(pipeline.tables),
        windows=pipeline.windows,
        padding=pipeline.padding or (),
        inverted=pipeline.inverted,
        overlays=overlays.overlays_of(data),
        frame_milliseconds=apart,
    )


def _values(content: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    opened = _opened(content)
    frame = stored_frame(*opened, int(options.get("frame", 0)))
    values = np.ascontiguousarray(frame.values.astype(frame.values.dtype.newbyteorder("<")))
    head = {"shape": list(values.shape), "type": values.dtype.str.lstrip("<|")}
    return head, values.tobytes()


def _picture(content: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    opened, number = _opened(content), int(options.get("frame", 0))
    picture, window = rendered(opened, number, options)
    if options.get("overlays"):
        picture = overlays.drawn(picture, opened.data, number)
    image = Image.fromarray(picture)
    if options.get("square", True):
        image = _square(image, aspect_of(opened.data, number))
    target = io.BytesIO()
    image.save(target, "PNG", compress_level=3)
    head = {"shape": [image.height, image.width], "colour": image.mode == "RGB", "window": window}
    return head, target.getvalue()


def rendered(opened: Opened, number: int, options: dict[str, Any]) -> tuple[NDArray[np.uint8], Any]:
    """Show a frame in 8 bits, and say through which window; None for a colour or a lookup table."""
    geometry = opened.geometry
    frame = stored_frame(*opened, number)
    if geometry.photometric not in GREY:
        return rgb_of(frame, opened.data, geometry), None
    pipeline = pipeline_of(opened.data, geometry, number)
    if options.get("window") is not None:
        window: GreyWindow | LookupTable = typed(GreyWindow, options["window"])
    elif options.get("everything"):
        window = pipeline.window_of(frame.values, everything=True)
    else:
        window = pipeline.default(frame.values)
    return pipeline.render(frame.values, window), None if isinstance(window, LookupTable) else plain_of(
        window
    )


def _square(image: Image.Image, aspect: float) -> Image.Image:
    """Enlarge the longer side of the pixels, so that they are square on the screen."""
    if abs(aspect - 1) < 0.01 or not 0.1 <= aspect <= 10:
        return image
    size = (
        (image.width, round(image.height * aspect))
        if aspect > 1
        else (round(image.width / aspect), image.height)
    )
    if size[0] * size[1] > MAX_FRAME_PIXELS:
        return image
    return image.resize(size, Image.Resampling.BILINEAR)


def _directory(content: bytes, _options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    return {"files": [list(each) for each in directory.files_of(whole_data_set(layout_of(content)))]}, b""


def _deidentify(content: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    result = deidentified(content, typed(Rules, options["rules"]))
    return plain_of(result.facts), result.content


_WORK: dict[bytes, Callable[[bytes, dict[str, Any]], tuple[dict[str, Any], bytes]]] = {
    FACTS: _facts,
    VALUES: _values,
    PICTURE: _picture,
    DIRECTORY: _directory,
    DEIDENTIFY: _deidentify,
}
