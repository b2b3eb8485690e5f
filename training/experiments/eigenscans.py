"""Model the shape and the texture of similar scans by principal components.

Components of unaligned pictures give only blur, since no two chests are framed alike. So, as in active appearance
models (Cootes, Edwards, Taylor 2001), similar pictures of different patients are first warped onto their common
mean by optical flow. Components are then computed of the warped pictures (texture) and of the flows (shape).

What belongs to one patient alone (burned-in text, a device, a medal) must not appear. So each warped pixel is first
clipped to the range that eight patients reach at that place, and a component that depends mainly on one picture is
dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Image

SIDE = 256
"""Pixels per side for modelling and drawing."""
PATIENTS = 40
"""Number of pictures in one model, each of another patient."""
TEXTURE_RANK, SHAPE_RANK = 20, 8
SMOOTHING = (10.0, 8.0, 6.0, 4.0)
"""Standard deviation, in pixels, of the smoothing of the flow in each round of alignment."""

SHARED = 0.20
"""Grey levels below this quantile of the patients' values at a place, or above its counterpart, are clipped."""
MAX_SHARE = 0.20
"""A component of which one picture makes up more than this fraction is dropped."""

Floats = NDArray[np.float32]

_ROWS, _COLUMNS = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)


def read_pictures(data: Path, images: Sequence[Image]) -> NDArray[np.uint8]:
    """Grey pictures (images, SIDE, SIDE), stretched to a square."""
    pictures = np.empty((len(images), SIDE, SIDE), np.uint8)
    for index, image in enumerate(images):
        picture = cv2.imread(str(data / image.path), cv2.IMREAD_GRAYSCALE)
        if picture is None:
            raise OSError(f"{image.path} cannot be read.")
        pictures[index] = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return pictures


def unit_rows(pictures: NDArray[np.floating]) -> Floats:
    """Each picture as a row with mean 0 and length 1, so that products of rows are correlations."""
    rows = pictures.reshape(len(pictures), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6), dtype=np.float32)


def alike(pictures: NDArray[np.uint8], images: Sequence[Image], anchor: int) -> list[int]:
    """The pictures most similar to the anchor, by 32 x 32 thumbnails, one per patient, at most `PATIENTS`."""
    small = np.stack([cv2.resize(row, (32, 32), interpolation=cv2.INTER_AREA) for row in pictures])
    rows = unit_rows(small.astype(np.float32))
    chosen: dict[str, int] = {}
    for index in np.argsort(-(rows @ rows[anchor]), kind="stable"):
        chosen.setdefault(images[index].group, int(index))
        if len(chosen) == PATIENTS:
            break
    return list(chosen.values())


def _warp(picture: Floats, flow: Floats) -> Floats:
    """Sample the picture at each pixel's position plus the flow there."""
    return np.asarray(
        cv2.remap(
            picture,
            _COLUMNS + flow[..., 0],
            _ROWS + flow[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        dtype=np.float32,
    )


def _align(pictures: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """Textures (pictures, pixels) on the common mean, and the flows (pictures, SIDE, SIDE, 2) to it."""
    equalise = cv2.createCLAHE(2.0, (8, 8))
    even = np.stack([equalise.apply(row) for row in pictures])
    optical_flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flows = np.zeros((len(pictures), SIDE, SIDE, 2), np.float32)
    template = equalise.apply(even.mean(axis=0).astype(np.uint8))
    for smoothing in SMOOTHING:
        for index, row in enumerate(even):
            nothing = np.zeros((SIDE, SIDE, 2), np.float32)
            flows[index] = cv2.GaussianBlur(optical_flow.calc(template, row, nothing), (0, 0), smoothing)
        flows -= flows.mean(axis=0)  # the template stays the mean shape
        warped = [_warp(row.astype(np.float32), flow) for row, flow in zip(even, flows, strict=True)]
        template = np.mean(warped, axis=0).astype(np.uint8)
    textures = [
        _warp(row.astype(np.float32), flow).ravel() for row, flow in zip(pictures, flows, strict=True)
    ]
    return np.stack(textures), flows


@dataclass(frozen=True)
class Components:
    """Mean (n) and principal axes (rank, n), each axis scaled to the standard deviation along it."""

    mean: Floats
    axes: Floats

    @classmethod
    def of(cls, rows: Floats, rank: int) -> "Components":
        mean = rows.mean(axis=0)
        centred = rows - mean
        values, vectors = np.linalg.eigh(centred @ centred.T)  # far fewer rows than columns
        resting = (vectors**2).max(
            axis=0
        )  # columns have length 1, so this is the largest contribution of one picture
        order = np.argsort(values)[::-1][: len(rows) - 1]
        keep = order[resting[order] <= MAX_SHARE][:rank]
        axes = vectors[:, keep].T @ centred  # its length is the square root of the eigenvalue
        return cls(mean, np.asarray(axes / np.sqrt(len(rows)), dtype=np.float32))

    def draw(self, weights: NDArray[np.float64]) -> Floats:
        """Mean plus weighted axes; standard normal weights give the variance of the real pictures."""
        return np.asarray(self.mean + weights[: len(self.axes)] @ self.axes, dtype=np.float32)


@dataclass(frozen=True)
class EigenScans:
    """The two component models of one family of similar pictures."""

    texture: Components
    shape: Components

    @classmethod
    def of(cls, pictures: NDArray[np.uint8]) -> "EigenScans":
        textures, flows = _align(pictures)
        low, high = np.quantile(textures, [SHARED, 1 - SHARED], axis=0)
        textures = np.clip(textures, low, high).astype(np.float32)
        return cls(
            Components.of(textures, TEXTURE_RANK),
            Components.of(flows.reshape(len(flows), -1), SHAPE_RANK),
        )

    @property
    def rank(self) -> int:
        return len(self.texture.axes) + len(self.shape.axes)

    def draw(self, weights: NDArray[np.float64]) -> Floats:
        """A picture (SIDE, SIDE) in 0..255 from `rank` standard normal weights."""
        cut = len(self.texture.axes)
        texture = self.texture.draw(weights[:cut]).reshape(SIDE, SIDE)
        flow = self.shape.draw(weights[cut:]).reshape(SIDE, SIDE, 2)
        back = -flow
        for _ in range(8):  # the inverse of a smooth flow, by fixed point: back(y) = -flow(y + back(y))
            back = -np.dstack([_warp(flow[..., 0], back), _warp(flow[..., 1], back)])
        return np.clip(_warp(texture, back), 0, 255)
