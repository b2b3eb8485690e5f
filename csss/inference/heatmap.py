"""Render the Grad-CAM grid: as a transparent layer for pages, and blended with the scan for the report."""

import io
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from csss.inference.preprocessing import decode

LEVELS = 48
"""Steps of the layer's palette: few enough for a small file, more than the eye can distinguish at this opacity."""
FLOOR = 0.2
"""Below this fraction of the maximum the layer is fully transparent."""
MAX_ALPHA = 0.66
"""Maximum opacity, so that the scan is visible at the hottest place, too."""


@lru_cache(maxsize=1)
def _palette() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """RGB (LEVELS, 3) and alpha (LEVELS): inferno from purple to orange, more opaque where it is hotter.

    The lightness of inferno increases uniformly, so colour-blind people and prints show it equally well. Its black
    end is left out because it would look like a shadow, and its pale yellow end because it would look green on
    grey.
    """
    value = np.linspace(0, 1, LEVELS)
    index = np.round(70 + value * (185 - 70)).astype(np.uint8)
    bgr = cv2.applyColorMap(index[:, np.newaxis], cv2.COLORMAP_INFERNO)[:, 0]
    ramp = np.clip((value - FLOOR) / (1 - FLOOR), 0, 1)
    alpha = np.round(255 * MAX_ALPHA * ramp).astype(np.uint8)
    return np.ascontiguousarray(bgr[:, ::-1]), alpha


def _fit(width: int, height: int, max_side: int) -> tuple[int, int]:
    scale = min(1.0, max_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _smooth(cam: NDArray[np.float32]) -> NDArray[np.float32]:
    """Enlarge the grid 16 times without edges between cells; smoothing here is ten times cheaper than at full size."""
    size = (cam.shape[1] * 16, cam.shape[0] * 16)
    fine = cv2.resize(cam.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    # Cubic interpolation alone shows the grid as crosses.
    fine = np.maximum(cv2.GaussianBlur(fine, (0, 0), 16 * 0.3, borderType=cv2.BORDER_REPLICATE), 0)
    if fine.max() > 0:  # smoothing lowers peaks; restore the maximum
        fine = fine * np.float32(cam.max() / fine.max())
    return np.asarray(np.clip(fine, 0, 1), dtype=np.float32)


def heatmap_png(cam: NDArray[np.float32], width: int, height: int, max_side: int = 256) -> bytes:
    """A transparent PNG layer in the scan's proportions, to be placed over a scan of `width` x `height` pixels.

    `cam` is a grid in 0..1, of any size. The PNG has a palette with transparency (any reader converts it to RGBA)
    and a longest side of at most `max_side` pixels. More pixels add nothing to a grid of seven cells: enlarged to
    the scan's size, the layer differs from the grid by 3 of 255 steps, and so does a layer of 512 pixels, which
    takes over twice the time and bytes. Raises `ValueError` for a size below one pixel or an invalid grid.
    """
    if min(width, height, max_side) < 1 or cam.ndim != 2 or not np.isfinite(cam).all():
        raise ValueError("A heat map needs a finite two-dimensional grid and a size of at least one pixel.")
    wide, high = _fit(width, height, max_side)
    smooth = cv2.resize(_smooth(cam), (wide, high), interpolation=cv2.INTER_LINEAR)
    rgb, alpha = _palette()
    layer = Image.fromarray(np.round(smooth * (LEVELS - 1)).astype(np.uint8)).convert("P")
    layer.putpalette(rgb.tobytes())
    stream = io.BytesIO()
    layer.save(
        stream, "PNG", compress_level=6, transparency=alpha.tobytes()
    )  # level 9 is four times as slow and 1 % smaller
    return stream.getvalue()


def blend(image_bytes: bytes, heatmap_png: bytes, max_side: int = 800) -> bytes:
    """Blend scan and heat-map layer into one JPEG for the report, longest side at most `max_side` pixels.

    Raises `UndecodableImage` for the scan and `OSError` for the layer.
    """
    rgb = decode(image_bytes)
    wide, high = _fit(rgb.shape[1], rgb.shape[0], max_side)
    scan = Image.fromarray(rgb).resize((wide, high), Image.Resampling.BOX if wide < rgb.shape[1] else None)
    with Image.open(io.BytesIO(heatmap_png)) as opened:
        layer = opened.convert("RGBA").resize((wide, high), Image.Resampling.BICUBIC)
    scan.paste(layer, (0, 0), layer)
    stream = io.BytesIO()
    scan.save(stream, "JPEG", quality=85, optimize=True)
    return stream.getvalue()
