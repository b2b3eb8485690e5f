"""Measure whether a picture resembles the training pictures, from the network's own pooled features.

The most likely class does not answer this: a photograph of a cat gets a confident class, too. The features do:
those of an unrelated picture lie far from those of all training pictures. The distance is to the k-th nearest entry
of a small bank (Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest Neighbors",
https://arxiv.org/abs/2204.06507), after the features are centred and projected to axes of unit variance within the
classes. With the class means as the bank it is the Mahalanobis distance of Lee et al. 2018
(https://arxiv.org/abs/1807.03888). The model's own file says which of the two it uses. What is unusual for a chest
is not unusual for a heart. So an entry of the bank may use only some of the axes (those of its kind of scan), and
have its own scale, by which distances from it are divided.
"""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Outliers:
    """Centre (channels), projection (channels, axes), bank (entries, axes), which neighbour counts, unit length or not.

    An axis where an entry is NaN does not count in the distance from that entry. The distance from each entry is divided
    by its `scale` (entries); None means no scaling.
    """

    centre: NDArray[np.float32]
    projection: NDArray[np.float32]
    bank: NDArray[np.float32]
    neighbour: int
    unit: bool
    scale: NDArray[np.float32] | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> "Outliers":
        """Read an `.npz`. Raises `ValueError`, `KeyError` or `OSError` for invalid data, `ValueError` for wrong
        shapes."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            centre, projection, bank = (
                np.asarray(arrays[name], dtype=np.float32) for name in ("centre", "projection", "bank")
            )
            scale = np.asarray(arrays["scale"], dtype=np.float32) if "scale" in arrays else None
            found = cls(centre, projection, bank, int(arrays["neighbour"]), bool(arrays["unit"]), scale)
        channels, axes = found.projection.shape
        entries, width = found.bank.shape
        if found.centre.shape != (channels,) or width != axes or not 1 <= found.neighbour <= entries:
            raise ValueError("the arrays of the outlier score do not fit each other")
        # An entry without any axis, or with an infinite scale, would be near to every picture.
        if np.isinf(bank).any() or np.isnan(bank).all(axis=1).any():
            raise ValueError("the bank of the outlier score has an entry without any finite axis")
        if scale is not None and not (
            scale.shape == (entries,) and np.isfinite(scale).all() and (scale > 0).all()
        ):
            raise ValueError("the scales of the outlier score do not fit its bank")
        return found

    def to_bytes(self) -> bytes:
        """The `.npz` that `from_bytes` reads, in half precision."""
        stream = io.BytesIO()
        scale: dict[str, Any] = {} if self.scale is None else {"scale": self.scale}
        np.savez_compressed(
            stream,
            centre=self.centre,
            projection=self.projection.astype(np.float16),
            bank=self.bank.astype(np.float16),
            neighbour=self.neighbour,
            unit=self.unit,
            **scale,
        )
        return stream.getvalue()

    def project(self, pooled: NDArray[np.float32]) -> NDArray[np.float32]:
        """Project pooled features (n, channels) to the bank's axes (n, axes)."""
        placed = (pooled - self.centre) @ self.projection
        if self.unit:
            placed = placed / np.maximum(np.linalg.norm(placed, axis=1, keepdims=True), 1e-12)
        return np.asarray(placed, dtype=np.float32)

    def scores(self, pooled: NDArray[np.float32]) -> NDArray[np.float64]:
        """Distance of each row of pooled features (n, channels) from the training pictures, shape (n); larger means
        less similar."""
        nearest = np.partition(self.distances(pooled), self.neighbour - 1, axis=1)
        return np.asarray(nearest[:, self.neighbour - 1], dtype=np.float64)

    def distances(self, pooled: NDArray[np.float32]) -> NDArray[np.float64]:
        """Distance of each row from each entry of the bank, divided by the entry's scale, shape (n, entries)."""
        placed = self.project(pooled).astype(np.float64)
        counts = ~np.isnan(self.bank)
        bank = np.where(counts, self.bank, 0).astype(np.float64)
        squared = placed**2 @ counts.T + (bank**2).sum(axis=1)[None] - 2 * placed @ bank.T
        apart = np.sqrt(np.maximum(squared, 0))
        return np.asarray(apart if self.scale is None else apart / self.scale, dtype=np.float64)
