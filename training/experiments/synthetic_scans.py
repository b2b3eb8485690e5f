"""Draw pictures for the demo that look like scans but show no real person.

Each is drawn with random weights from a principal-component model of 40 patients' training pictures (`eigenscans`),
so none is reproduced. In addition, a picture is refused if it is nearer to any training picture than 95 % of real
pictures are to their nearest neighbour of another patient, in the whole picture and in its fine detail. The words
"SYNTHETIC - NOT A PATIENT" are drawn into each picture.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from csss.inference.engine import Engine, Result
from training.data.dataset import LABELS, Image
from training.experiments.eigenscans import PATIENTS, EigenScans, Floats, alike, read_pictures, unit_rows

FINAL = 512
"""Pixels per side of the final picture."""
WORDS = "SYNTHETIC - NOT A PATIENT"
FAMILIES = 6
"""Families of similar pictures tried for each drawing."""
STEP = 0.3
"""Step size of the search in the space of weights."""
DETAIL = 8.0
"""Fine detail is the picture minus the picture smoothed with this many pixels."""
SURE, UNSURE = 0.93, 0.60
AIMS = dict.fromkeys(LABELS, (SURE, SURE)) | {
    "Lung_Opacity": (SURE, UNSURE),
    "NIH_MERGED": (SURE, UNSURE),
}
"""Target probability of its own class for each drawing of a class; two should come out uncertain."""


@dataclass(frozen=True)
class Likeness:
    """Highest correlation with a picture of the class: of the whole picture minus the class mean, and of fine
    detail."""

    whole: float
    detail: float

    def below(self, other: "Likeness") -> bool:
        return self.whole < other.whole and self.detail < other.detail


class Neighbours:
    """Training pictures of a class from which drawings must differ."""

    def __init__(self, pictures: NDArray[np.uint8], images: Sequence[Image]) -> None:
        self._mean = pictures.mean(axis=0)
        self._whole = unit_rows(pictures - self._mean)
        self._detail = unit_rows(np.stack([_detail(row) for row in pictures]))
        groups = np.array([image.group for image in images])
        same = groups[:, np.newaxis] == groups
        nearest = []
        for rows in (self._whole, self._detail):
            products = rows @ rows.T
            products[same] = -1
            nearest.append(products.max(axis=1))
        self.usual = Likeness(*(float(np.median(row)) for row in nearest))
        self.limit = Likeness(*(float(np.quantile(row, 0.95)) for row in nearest))

    def nearest(self, picture: Floats) -> Likeness:
        """Similarity of a drawing to the nearest training picture."""
        whole = self._whole @ unit_rows((picture - self._mean)[np.newaxis])[0]
        return Likeness(
            float(whole.max()), float((self._detail @ unit_rows(_detail(picture)[np.newaxis])[0]).max())
        )


def _detail(picture: NDArray[np.floating] | NDArray[np.uint8]) -> Floats:
    values = picture.astype(np.float32)
    return np.asarray(values - cv2.GaussianBlur(values, (0, 0), DETAIL), dtype=np.float32)


@dataclass(frozen=True)
class Drawn:
    """One synthetic picture as JPEG, its class, the engine's prediction, and its similarity to training pictures."""

    jpeg: bytes
    label: str
    result: Result
    nearest: Likeness
    usual: Likeness
    limit: Likeness


def finish(grey: Floats, native: int) -> bytes:
    """Adjust a drawing to the class's usual sharpness, `native` pixels, enlarge, add the words, encode as JPEG."""
    picture = grey.astype(np.uint8)
    if native < len(picture):
        picture = cv2.resize(picture, (native, native), interpolation=cv2.INTER_AREA).astype(np.uint8)
    picture = cv2.resize(picture, (FINAL, FINAL), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    font, scale, place = cv2.FONT_HERSHEY_SIMPLEX, 0.5, (8, FINAL - 10)
    # Outlined, so that they can be read on a white diaphragm. A black strip, or larger words, are an outlier.
    cv2.putText(picture, WORDS, place, font, scale, (0,), 3, cv2.LINE_AA)
    cv2.putText(picture, WORDS, place, font, scale, (235,), 1, cv2.LINE_AA)
    done, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not done:
        raise OSError("OpenCV could not encode a JPEG.")
    return encoded.tobytes()


class Artist:
    """Draws pictures of one class."""

    def __init__(self, data: Path, images: Sequence[Image], label: str, engine: Engine) -> None:
        own = [image for image in images if image.label == label]
        kind = Counter(image.kind for image in own).most_common(1)[0][0]  # Normal: the X-rays
        self.label, self.engine = label, engine
        self.images = [image for image in own if image.kind == kind]
        self.pictures = read_pictures(data, self.images)
        self.native = Counter(image.native_width for image in self.images).most_common(1)[0][0]
        self.neighbours = Neighbours(self.pictures, self.images)

    def draw(self, random: np.random.Generator, aim: float, steps: int) -> Drawn:
        """The drawing, of several families, whose own class has the probability nearest to `aim`.

        Raises `RuntimeError` when all of them were too similar to training pictures.
        """
        found = []
        for _ in range(FAMILIES):
            chosen = alike(self.pictures, self.images, int(random.integers(len(self.images))))
            best = self._search(EigenScans.of(self.pictures[chosen]), random, aim, steps // FAMILIES)
            if best is not None:
                found.append(best)
        if not found:
            raise RuntimeError(f"No drawing of {self.label} kept clear of the training pictures.")
        return min(found, key=lambda drawn: self._miss(drawn.result, aim))

    def _search(
        self, family: EigenScans, random: np.random.Generator, aim: float, steps: int
    ) -> Drawn | None:
        """A random walk that preserves the weights' normal distribution; keeps each step that is nearer to the aim."""
        weights = random.normal(size=family.rank)
        best: Drawn | None = None
        for _ in range(steps):
            tried = np.sqrt(1 - STEP**2) * weights + STEP * random.normal(size=family.rank)
            picture = family.draw(tried)
            jpeg = finish(picture, self.native)
            result = self.engine.predict(jpeg, heatmap=False)
            if best is not None and self._miss(result, aim) >= self._miss(best.result, aim):
                continue
            nearest = self.neighbours.nearest(picture)  # the most expensive check, hence the last
            if nearest.below(self.neighbours.limit):
                best = Drawn(jpeg, self.label, result, nearest, self.neighbours.usual, self.neighbours.limit)
                weights = tried
            elif best is None:
                weights = random.normal(size=family.rank)
        return best

    def _miss(self, result: Result, aim: float) -> float:
        """Distance from the aim; a drawing must also look like a scan to the engine."""
        strange = 0.0
        if result.outlier_score is not None:
            strange = max(0.0, result.outlier_score / self.engine.info.outliers_threshold - 1)
        return abs(result.probabilities[self.label] - aim) + strange


def choose(
    data: Path, images: list[Image], engine: Engine, *, steps: int, seed: int
) -> Iterator[tuple[str, Drawn]]:
    """File name and picture, two per class, the more confident one first."""
    with tqdm(total=sum(len(aims) for aims in AIMS.values()), desc="drawing", unit="picture") as bar:
        for number, label in enumerate(LABELS):
            artist = Artist(data, images, label, engine)
            pair = []
            for place, aim in enumerate(AIMS[label], start=1):
                pair.append(artist.draw(np.random.default_rng((seed, number, place)), aim, steps))
                bar.update()
            pair.sort(key=lambda drawn: -drawn.result.probabilities[drawn.label])
            yield from ((f"{label}-{place}.jpg", drawn) for place, drawn in enumerate(pair, start=1))


README = """# Synthetic scans for the demo

These pictures are synthetic; none shows a patient. `python -m training synthetic` drew them with random weights from
principal-component models, each of the shape and texture of {patients} patients' training pictures, and wrote the
words into them. Marks that only one or a few patients have (writing, devices) are clipped away before the components
are taken, and components that rest mainly on one picture are left out. A picture was refused if it was nearer to any
training picture than all but one in twenty real pictures are to the nearest picture of another patient; the table
shows the correlations with the nearest training picture (whole picture without the class mean, and fine detail)
beside the median of the same figure between real patients and the limit. They show how the program works and are of
no use for judging it. The data they are drawn from are under the terms named in the model card; those of Sick are
non-commercial.

| file | read as | confidence | nearest: whole, detail | between patients: whole, detail | limit: whole, detail |
| --- | --- | --- | --- | --- | --- |
"""


def write_set(folder: Path, chosen: Iterable[tuple[str, Drawn]]) -> list[tuple[str, Drawn]]:
    """Write the pictures and a README with the measurements; returns what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = list(chosen)
    text = README.format(patients=PATIENTS)
    for name, drawn in kept:
        (folder / name).write_bytes(drawn.jpeg)
        figures = " | ".join(
            f"{row.whole:.2f}, {row.detail:.2f}" for row in (drawn.nearest, drawn.usual, drawn.limit)
        )
        text += f"| {name} | {drawn.result.label} | {drawn.result.confidence:.2f} | {figures} |\n"
    (folder / "README.md").write_text(text, encoding="utf-8")
    return kept
