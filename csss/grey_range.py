"""Choose which part of a picture's values is shown, in one rule for all pictures of more than eight bits.

Darkest and brightest come from the range that holds nearly all pixels, with a margin, so that neither a burnt-in marker
nor an empty upper half of the range makes the rest black.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Percentiles of the values strictly between the minimum and the maximum (background and markers often have exactly
# those two).
_PERCENTILES = (0.02, 0.98)
_ROOM = 0.25  # margin on each side, as a fraction of the range between the percentiles


def shown_range(values: NDArray[Any], counts: NDArray[np.int64]) -> tuple[float, float]:
    """The darkest and the brightest value to show. `values` are those that occur, ascending; `counts` says how often."""
    low, high = float(values[0]), float(values[-1])
    between = np.cumsum(counts[1:-1])
    if between.size and between[-1]:
        lower, upper = (
            float(values[1 + int(np.searchsorted(between, each * between[-1]))]) for each in _PERCENTILES
        )
        room = _ROOM * (upper - lower)
        shown = values[(values >= lower - room) & (values <= upper + room)]
        low, high = float(shown[0]), float(shown[-1])
    return low, high
