"""Convert a picture's bytes to the network's input. Training, evaluation and run time all use this code.

The paper resizes bilinearly without anti-aliasing, which loses details of large scans at random. `area` averages
instead. A model's own `labels.json` says which of the two it was trained with.
"""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

# As in csss/inference/__init__.py: the work here is too small to wait for a second core.
cv2.setNumThreads(1)

Resize = Callable[[NDArray[np.uint8], int, int], NDArray[np.uint8]]

MAX_PIXELS: Final = 100_000_000
"""Maximum pixels of a decoded picture (300 MB in RGB); the limit at intake is far lower."""


class UndecodableImage(ValueError):
    """The bytes are not a readable picture; the message is a sentence for users."""


def decode(data: bytes) -> NDArray[np.uint8]:
    """Decode JPEG or PNG bytes to RGB, shape (height, width, 3), 0..255.

    Grey becomes three equal channels, an alpha channel is dropped, 16 bits become 8 by dropping the lower byte. An
    EXIF orientation that is still in the file is applied. Intake has applied and removed it, so it is never applied
    twice. Raises `UndecodableImage`.
    """
    if not data:
        raise UndecodableImage("The file is empty.")
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:  # OpenCV raises for absurd sizes and returns None for bad bytes
        raise UndecodableImage("The picture is too large or damaged and cannot be decoded.") from error
    if bgr is None:
        raise UndecodableImage("The file is not a picture that can be decoded.")
    if bgr.shape[0] * bgr.shape[1] > MAX_PIXELS:
        raise UndecodableImage(f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels.")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def blank() -> bytes:
    """A small grey picture, to test whether everything works."""
    return bytes(cv2.imencode(".jpg", np.full((64, 64), 128, np.uint8))[1])


def _resize_bilinear(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _resize_area(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Average over the area along each side that shrinks, then interpolate along each side that grows.

    OpenCV's INTER_AREA becomes nearest neighbour when it enlarges, hence the two steps.
    """
    shrunk_width, shrunk_height = min(width, image.shape[1]), min(height, image.shape[0])
    if (shrunk_height, shrunk_width) != image.shape[:2]:
        image = np.asarray(
            cv2.resize(image, (shrunk_width, shrunk_height), interpolation=cv2.INTER_AREA), dtype=np.uint8
        )
    return image if image.shape[:2] == (height, width) else _resize_bilinear(image, width, height)


RESIZE: Final[dict[str, Resize]] = {
    "area": _resize_area,
    "bilinear": _resize_bilinear,
}  # labels.RESIZE_METHODS


def preprocess(image: bytes | NDArray[np.uint8], width: int, height: int, resize: str) -> NDArray[np.float32]:
    """Convert bytes, or an RGB array (height, width, 3) of 0..255, to float32 (height, width, 3) in 0..1.

    `resize` is a key of `RESIZE`. Raises `UndecodableImage`, and `KeyError` for an unknown `resize`.
    """
    rgb = decode(image) if isinstance(image, bytes | bytearray | memoryview) else image
    resized = RESIZE[resize](rgb, width, height)
    return np.multiply(resized, np.float32(1 / 255), dtype=np.float32)
