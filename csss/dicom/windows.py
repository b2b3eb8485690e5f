"""From stored values to 8-bit greys: modality LUT or rescale, VOI LUT or window, and MONOCHROME1 at the end.

All of it is one table with an entry for each possible stored value, because stored values have at most 16 bits. The order
is that of PS3.3 C.11 and PS3.4 N.2: modality, VOI, and then the presentation, where MONOCHROME1 is inverted.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from csss.dicom.facts import Curve, GreyWindow, WindowSource
from csss.dicom.geometry import Geometry
from csss.dicom.headers import (
    first_item,
    integer_of,
    items_of,
    macro_of_frame,
    number_of,
    numbers_of,
    text_of,
    texts_of,
    value_of,
    words_of,
)
from csss.dicom.limits import MAX_LUT, MAX_WINDOWS
from csss.grey_range import shown_range

LEVELS = 1 << 16
# int16 or uint16
StoredGrey = NDArray[np.integer[Any]]


def levels_of(window: GreyWindow, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map modality values through a window to 0…1."""
    if window.curve is Curve.SIGMOID:
        return 1 / (1 + np.exp(np.clip(-4 * (values - window.centre) / window.width, -700, 700)))
    if window.curve is Curve.LINEAR_EXACT:
        return np.clip((values - window.centre) / window.width + 0.5, 0, 1)
    if window.width <= 1:  # a threshold
        return (values > window.centre - 0.5).astype(np.float64)
    return np.clip((values - (window.centre - 0.5)) / (window.width - 1) + 0.5, 0, 1)


class LookupTable(NamedTuple):
    """A modality or VOI lookup table (PS3.3 C.11.1.1 and C.11.2.1.1)."""

    first: int  # the value that the first entry belongs to
    entries: NDArray[np.uint16]
    bits: int  # of each entry
    explanation: str = ""

    def mapped(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The entry for each value; values beyond the ends get the first or last one."""
        places = np.clip(np.rint(values) - self.first, 0, self.entries.size - 1).astype(np.int64)
        return self.entries[places].astype(np.float64)


@dataclass(frozen=True)
class GreyPipeline:
    """What a frame's header says about showing its stored values."""

    slope: float
    intercept: float
    unit: str  # of modality values: HU, OD, US (unspecified), or empty
    modality: LookupTable | None
    tables: tuple[LookupTable, ...]  # VOI lookup tables
    windows: tuple[GreyWindow, ...]
    padding: tuple[int, int] | None  # stored values that are no picture, first and last
    inverted: bool  # MONOCHROME1

    def modality_values(self, stored: NDArray[np.int64]) -> NDArray[np.float64]:
        """Stored values in the modality's unit: by the lookup table, or `slope` × stored + `intercept`."""
        values = stored.astype(np.float64)
        return self.modality.mapped(values) if self.modality else values * self.slope + self.intercept

    def is_padding(self, stored: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these stored values are padding (PS3.3 C.7.5.1.1.2)."""
        if self.padding is None:
            return np.zeros(stored.shape, bool)
        return (stored >= self.padding[0]) & (stored <= self.padding[1])

    def table(self, window: GreyWindow | LookupTable, *, signed: bool) -> NDArray[np.uint8]:
        """The 8-bit level of each stored value, by its bit pattern: entry 65,535 is that of -1 if they are signed.

        Padding is black.
        """
        patterns = np.arange(LEVELS, dtype=np.uint16)
        stored = (patterns.view(np.int16) if signed else patterns).astype(np.int64)
        values = self.modality_values(stored)
        if isinstance(window, LookupTable):
            levels = np.clip(window.mapped(values) / ((1 << window.bits) - 1), 0, 1)
        else:
            levels = levels_of(window, values)
        if self.inverted:
            levels = 1 - levels
        levels[self.is_padding(stored)] = 0
        return np.rint(levels * 255).astype(np.uint8)

    def render(self, values: StoredGrey, window: GreyWindow | LookupTable) -> NDArray[np.uint8]:
        """Show stored values in 8 bits."""
        return self.table(window, signed=values.dtype == np.int16)[values.view(np.uint16)]

    def default(self, values: StoredGrey) -> GreyWindow | LookupTable:
        """The view to begin with: the file's first VOI table, its first window, or one that follows from the values."""
        if self.tables:
            return self.tables[0]
        return self.windows[0] if self.windows else self.window_of(values)

    def window_of(self, values: StoredGrey, *, everything: bool = False) -> GreyWindow:
        """A window over the range that holds nearly all values, or `everything` from darkest to brightest.

        The rule is the one for PNGs of sixteen bits (`csss.grey_range`); padding does not count.
        """
        counts = np.bincount(values.view(np.uint16).ravel(), minlength=LEVELS)
        patterns = np.flatnonzero(counts)
        stored = (patterns.astype(np.uint16).view(np.int16) if values.dtype == np.int16 else patterns).astype(
            np.int64
        )
        pictured = ~self.is_padding(stored)
        if pictured.any():
            stored, counts = stored[pictured], counts[patterns[pictured]]
        else:
            counts = counts[patterns]
        modality = self.modality_values(stored)
        order = np.argsort(modality, kind="stable")
        modality, counts = modality[order], counts[order]
        low, high = (float(modality[0]), float(modality[-1])) if everything else shown_range(modality, counts)
        # LINEAR_EXACT shows `low` black and `high` white, without the half steps of LINEAR.
        return GreyWindow(
            (low + high) / 2, max(high - low, 1e-6), "", Curve.LINEAR_EXACT, WindowSource.VALUES
        )


def pipeline_of(data: Dataset, geometry: Geometry, frame: int) -> GreyPipeline:
    """Read what the header says for a frame (from 0): its functional groups, or the top of the data set."""
    rescale = macro_of_frame(data, frame, "PixelValueTransformationSequence") or data
    order = ">" if data.original_encoding[1] is False else "<"
    lut_item = first_item(data, "ModalityLUTSequence")
    modality = _lookup_table(lut_item, order, signed=geometry.signed) if lut_item is not None else None
    slope, intercept = number_of(rescale, "RescaleSlope"), number_of(rescale, "RescaleIntercept")
    slope = 1.0 if slope is None or slope == 0 else slope
    intercept = intercept or 0.0
    unit = text_of(lut_item, "ModalityLUTType") if lut_item is not None else text_of(rescale, "RescaleType")
    lowest = -(1 << (geometry.bits_stored - 1)) if geometry.signed else 0
    below_zero = (
        modality is None and min(lowest * slope, ((1 << geometry.bits_stored) - 1) * slope) + intercept < 0
    )
    voi = macro_of_frame(data, frame, "FrameVOILUTSequence") or data
    tables = (
        _lookup_table(each, order, signed=below_zero)
        for each in items_of(data, "VOILUTSequence")[:MAX_WINDOWS]
    )
    return GreyPipeline(
        slope,
        intercept,
        unit[:16],
        modality,
        tuple(each for each in tables if each is not None),
        _windows(voi),
        _padding(data, geometry),
        geometry.photometric == "MONOCHROME1",
    )


def _windows(data: Dataset) -> tuple[GreyWindow, ...]:
    centres, widths = numbers_of(data, "WindowCenter"), numbers_of(data, "WindowWidth")
    words = texts_of(data, "WindowCenterWidthExplanation")
    said = text_of(data, "VOILUTFunction").upper()
    curve = Curve(said) if said in list(Curve) else Curve.LINEAR
    least = 1 if curve is Curve.LINEAR else 1e-9
    return tuple(
        GreyWindow(centre, width, words[number] if number < len(words) else "", curve)
        for number, (centre, width) in enumerate(zip(centres, widths, strict=False))
        if width >= least
    )[:MAX_WINDOWS]


def _padding(data: Dataset, geometry: Geometry) -> tuple[int, int] | None:
    first = integer_of(data, "PixelPaddingValue")
    if first is None:
        return None
    last = integer_of(data, "PixelPaddingRangeLimit")
    ends = sorted(_as_stored(each, geometry) for each in (first, first if last is None else last))
    return ends[0], ends[1]


def _as_stored(value: int, geometry: Geometry) -> int:
    """The padding value in the representation of the pixels: the header's VR may be the other one."""
    value &= 0xFFFF
    return value - LEVELS if geometry.signed and value > LEVELS // 2 - 1 else value


def _lookup_table(item: Dataset, order: str, *, signed: bool) -> LookupTable | None:
    """A table from its sequence item; None if it contradicts itself."""
    descriptor, raw = words_of(value_of(item, "LUTDescriptor"), order), value_of(item, "LUTData")
    if len(descriptor) != 3 or raw is None:
        return None
    length, first, bits = descriptor[0] or MAX_LUT, descriptor[1], descriptor[2]
    if signed and first > LEVELS // 2 - 1:
        first -= LEVELS
    words: NDArray[np.uint16] = np.array(words_of(raw, order), np.uint16)
    if words.size < length <= 2 * words.size and bits <= 8:  # two entries in each word
        words = words.view(np.uint8)[:length].astype(np.uint16)
    if words.size < length or not 8 <= bits <= 16:
        return None
    entries = words[:length]
    # Some writers say 16 bits and use fewer (PS3.3 C.11.1.1.1 asks for those that are used).
    return LookupTable(first, entries, bits, text_of(item, "LUTExplanation"))
