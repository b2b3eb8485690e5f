"""Read single attributes of a data set whose structure has been checked. A value that cannot be read counts as absent.

Texts are data: nothing here interprets them as a path, an address or markup.
"""

import struct
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from io import BytesIO
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from csss.dicom.limits import MAX_LUT, MAX_TEXT, MAX_VALUES
from csss.dicom.problems import Problem, Unreadable
from csss.dicom.structure import PIXELS, Layout

# What pydicom raises on access to a value that its representation does not allow.
UNREADABLE_VALUE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    struct.error,
)

# Control characters, invisible signs of direction, halves of surrogates, private and unassigned characters; but lines
# stay, and the joiners that Indic scripts need.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}
_WANTED = "\n\u200c\u200d"


def header_of(layout: Layout) -> Dataset:
    """The data set up to its pixels. Raises Unreadable."""
    return _read(layout, stop_at_pixels=True)


def whole_data_set(layout: Layout) -> Dataset:
    """The complete data set. Raises Unreadable."""
    return _read(layout, stop_at_pixels=False)


def _read(layout: Layout, *, stop_at_pixels: bool) -> Dataset:
    stream = BytesIO(layout.body)
    stream.seek(layout.start)
    try:
        data = read_dataset(
            stream,
            layout.implicit,
            layout.little_endian,
            stop_when=(lambda tag, _vr, _length: int(tag) in PIXELS) if stop_at_pixels else None,
        )
        data.set_original_encoding(layout.implicit, layout.little_endian, data.original_character_set)
        return data
    except (*UNREADABLE_VALUE, EOFError, RecursionError):
        raise Unreadable(Problem.DAMAGED) from None


def value_of(data: Dataset, keyword: str) -> Any:
    """The value as pydicom has it; None where it is absent, empty or unreadable."""
    try:
        found = data.get(keyword)
    except UNREADABLE_VALUE:
        return None
    return None if found is None or (isinstance(found, str | bytes | list) and not found) else found


def texts_of(data: Dataset, keyword: str) -> tuple[str, ...]:
    """Every value as a plain text: control characters are removed, and long values are cut."""
    found = value_of(data, keyword)
    if found is None:
        return ()
    values = (
        list(found) if isinstance(found, list | tuple) or type(found).__name__ == "MultiValue" else [found]
    )
    try:
        return tuple(plain(str(each)) for each in values[:MAX_VALUES])
    except UNREADABLE_VALUE:
        return ()


def text_of(data: Dataset, keyword: str) -> str:
    """The first value as a plain text; empty where there is none."""
    return next(iter(texts_of(data, keyword)), "")


def plain(text: str) -> str:
    """Without control characters and invisible directions, at most `MAX_TEXT` characters."""
    kept = (
        each
        for each in text[: 2 * MAX_TEXT]
        if unicodedata.category(each) not in _INVISIBLE or each in _WANTED
    )
    return "".join(kept).strip()[:MAX_TEXT]


def numbers_of(data: Dataset, keyword: str) -> tuple[float, ...]:
    """Every value as a finite number; empty if one of them is none."""
    found = value_of(data, keyword)
    if found is None:
        return ()
    values = [found] if isinstance(found, int | float | Decimal | str) else found
    try:
        numbers = tuple(float(each) for each in list(values)[:4096])
    except UNREADABLE_VALUE:
        return ()
    return numbers if all(abs(each) < 1e30 for each in numbers) else ()


def number_of(data: Dataset, keyword: str) -> float | None:
    """The first value as a finite number."""
    return next(iter(numbers_of(data, keyword)), None)


def integer_of(data: Dataset, keyword: str) -> int | None:
    """The first value as an integer; None if it is absent or has a fraction."""
    found = number_of(data, keyword)
    return int(found) if found is not None and found == int(found) else None


def words_of(value: object, order: str) -> list[int]:
    """The numbers of a descriptor or of table data, which are words or still bytes (VR US, SS, OW or UN)."""
    if isinstance(value, bytes):
        return [int(each) for each in np.frombuffer(value[: len(value) & ~1], f"{order}u2")[: MAX_LUT + 1]]
    if isinstance(value, int):
        return [value & 0xFFFF]
    try:
        return [int(each) & 0xFFFF for each in list(value)[: MAX_LUT + 1]]  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return []


def items_of(data: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; empty where there is none."""
    found = value_of(data, keyword)
    if found is None or type(found).__name__ != "Sequence":
        return []
    return [each for each in found if isinstance(each, Dataset)]


def first_item(data: Dataset, keyword: str) -> Dataset | None:
    """The first item of a sequence."""
    return next(iter(items_of(data, keyword)), None)


def groups_of_frame(data: Dataset, frame: int) -> Iterator[Dataset]:
    """The functional groups of a frame (from 0): its own first, then those of all frames, then the data set.

    PS3.3 C.7.6.16: an attribute is either in the shared or in the per-frame groups.
    """
    each = items_of(data, "PerFrameFunctionalGroupsSequence")
    if frame < len(each):
        yield each[frame]
    yield from items_of(data, "SharedFunctionalGroupsSequence")[:1]


def macro_of_frame(data: Dataset, frame: int, keyword: str) -> Dataset | None:
    """The item of a functional group macro such as `PixelMeasuresSequence`."""
    for group in groups_of_frame(data, frame):
        if (item := first_item(group, keyword)) is not None:
            return item
    return None
