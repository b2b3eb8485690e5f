"""Collect other body parts and unrelated pictures from packages of the extra `trial`, each only if installed.

`pydicom` and `pydicom-data` bring DICOM files of other body parts and machines, `nibabel` a head MRI,
`scikit-image` photographs, textures, microscopy and a retina. Nothing is trained on them.
"""

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csss.inference.preprocessing import decode

Picture = NDArray[np.uint8]
EACH = 12
"""Views per file: different windows, crops and rotations."""

DICOM: dict[str, tuple[str, ...]] = {
    "leg X-ray": ("RG3_UNCR",),
    "shoulder MRI": ("MR2_UNCR",),
    "abdominal MRI": ("MR-SIEMENS-DICOM-WithOverlays", "examples_overlay"),
    "abdominal CT": ("explicit_VR-UN",),
    "head CT": ("693_UNCR", "J2K_pixelrep_mismatch"),
    "spine CT": ("CT_small",),
    "ultrasound": ("US1_UNCR", "OBXXXX1A", "gdcm-US-ALOKA-16", "examples_ybr_color"),
    "monitor test picture": ("mlut_18", "vlut_04"),
}
"""Kind to file names without suffix; a person has checked that each file shows what its kind says."""
NIBABEL_HEAD = "example4d.nii.gz"
SKIMAGE: dict[str, tuple[str, ...]] = {
    "more photographs": (
        "astronaut.png", "camera.png", "chelsea.png", "coffee.png", "coins.png",
        "hubble_deep_field.jpg", "moon.png", "rocket.jpg", "motorcycle_left.png",
    ),
    "textures": ("brick.png", "grass.png", "gravel.png"),
    "printed page": ("page.png", "text.png"),
    "microscopy": ("ihc.png", "cell.png"),
    "retina": ("retina.jpg",),
}  # fmt: skip


@cache
def _files(package: str) -> dict[str, Path]:
    """Every data file of an installed package, by name; empty when it is not installed."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return {}
    root = Path(next(iter(spec.submodule_search_locations)))  # without importing the package
    return {file.name: file for file in sorted(root.rglob("*")) if file.is_file() and file.suffix != ".py"}


def _to_grey(values: NDArray[Any], low: float, high: float) -> Picture:
    """Scale any numbers (height, width) between two percentiles, as RGB."""
    bottom, top = np.percentile(values, [low, high])
    grey = np.clip((values.astype(np.float64) - bottom) / max(float(top - bottom), 1e-9), 0, 1)
    return np.ascontiguousarray(np.repeat((grey * 255).astype(np.uint8)[:, :, None], 3, axis=2))


def _dicom(name: str) -> NDArray[Any] | None:
    """Pixels of a file, (height, width) or (height, width, 3); None when it does not exist."""
    file = _files("pydicom").get(f"{name}.dcm") or _files("data_store").get(f"{name}.dcm")
    if file is None:
        return None
    import pydicom

    # pydicom warns about oddities in its own test files; their pixels are fine.
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    dataset = pydicom.dcmread(file, force=True)
    pixels: NDArray[Any] = dataset.pixel_array
    frames = int(getattr(dataset, "NumberOfFrames", 1) or 1)
    pixels = pixels[frames // 2] if frames > 1 else pixels
    return pixels.max() - pixels if dataset.PhotometricInterpretation == "MONOCHROME1" else pixels


def _views(pixels: NDArray[Any], random: np.random.Generator) -> Iterator[Picture]:
    """The whole picture and crops of at least 70 % of each side, at several windows, upright or rotated."""
    for number in range(EACH):
        share = 1.0 if number < 2 else random.uniform(0.7, 1)
        height, width = int(pixels.shape[0] * share), int(pixels.shape[1] * share)
        top = int(random.integers(0, pixels.shape[0] - height + 1))
        left = int(random.integers(0, pixels.shape[1] - width + 1))
        part = pixels[top : top + height, left : left + width]
        if part.ndim == 3:
            shown = np.ascontiguousarray(part.astype(np.uint8))
        else:
            shown = _to_grey(part, random.uniform(0, 3), random.uniform(97, 100))
        yield np.ascontiguousarray(np.rot90(shown, number % 4 if number > 3 else 0))


def _head(random: np.random.Generator) -> Iterator[Picture]:
    file = _files("nibabel").get(NIBABEL_HEAD)
    if file is None:
        return
    import nibabel

    volume = np.asarray(nibabel.load(file).dataobj)[..., 0]
    for slice_ in range(4, volume.shape[2] - 2, 2):
        yield _to_grey(np.rot90(volume[:, :, slice_]), random.uniform(0, 3), random.uniform(97, 100))


def found(seed: int = 42) -> Iterator[tuple[str, Picture]]:
    """(kind, RGB picture) of what is installed, in a fixed order; nothing when none of the packages is."""
    for number, (kind, names) in enumerate(DICOM.items()):
        random = np.random.default_rng((seed, 100 + number))
        for name in names:
            pixels = _dicom(name)
            if pixels is not None:
                yield from ((kind, view) for view in _views(pixels, random))
    yield from (("head MRI, other scanner", view) for view in _head(np.random.default_rng((seed, 200))))
    for number, (kind, names) in enumerate(SKIMAGE.items()):
        random = np.random.default_rng((seed, 300 + number))
        for name in names:
            file = _files("skimage").get(name)
            if file is not None:
                picture = decode(file.read_bytes())
                yield from ((kind, view) for view in _views(picture, random))
