"""Compare a picture with what the classifier was trained on, and look at its quality, in a confined child.

A request is the kind of scan, the model's folder (one line each) and the picture as it is stored. The answer is the
names of the doubts (`csss.scans.doubts`), with blanks. The child has read nothing that a patient has sent: the picture was
written by the decoder's child.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from csss.inference import Engine
from csss.inference.preprocessing import decode
from csss.scans.doubts import Doubt

# Of 180 pictures of the training data, the darkest and the greyest had 0.16 and 0.06, the least sharp 28. Blurred by a
# hundredth of the longer side, half of them had less than 4.
DARKEST, BRIGHTEST, LEAST_CONTRAST, LEAST_SHARPNESS = 0.06, 0.94, 0.04, 8.0
FEWEST_PIXELS = 200  # on the shorter side
# A little more than what makes an answer uncertain: a doctor is told of that in any case.
OUTLIER_MARGIN = 1.1
SURE_OF_THE_VIEW = 0.8
_SIDE = 512  # sharpness is measured at this size
_OTHER = {"chest_xray": ("cardiac_mri",), "cardiac_mri": ("frontal_chest", "lateral_chest")}


def warm_up() -> None:
    """Everything is imported."""


def answer(request: bytes) -> bytes:
    kind, folder, picture = request.split(b"\n", 2)
    return " ".join(doubts(picture, kind.decode(), folder.decode())).encode()


def doubts(picture: bytes, kind: str, folder: str) -> list[Doubt]:
    """What speaks against this picture. If its quality does, the classifier is not asked: it would only repeat that."""
    found = quality_doubts(decode(picture))
    unusable = {Doubt.DARK, Doubt.BRIGHT, Doubt.FLAT} & set(found)
    return found if unusable else [*_likeness_doubts(picture, kind, folder), *found]


def quality_doubts(pixels: NDArray[np.uint8]) -> list[Doubt]:
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    few = [Doubt.FEW_PIXELS] if min(grey.shape) < FEWEST_PIXELS else []
    ratio = _SIDE / max(grey.shape)
    if ratio < 1:
        grey = cv2.resize(grey, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    mean, contrast = float(grey.mean()) / 255, float(grey.std()) / 255
    if mean < DARKEST:
        return [Doubt.DARK, *few]
    if mean > BRIGHTEST:
        return [Doubt.BRIGHT, *few]
    if contrast < LEAST_CONTRAST:
        return [Doubt.FLAT, *few]
    if float(cv2.Laplacian(grey, cv2.CV_64F).var()) < LEAST_SHARPNESS:
        return [Doubt.BLURRED, *few]
    return few


def _likeness_doubts(picture: bytes, kind: str, folder: str) -> list[Doubt]:
    engine = Engine.load(folder, threads=1)
    found = engine.predict(picture, heatmap=False)
    view = found.view or {}
    if sum(view.get(each, 0.0) for each in _OTHER[kind]) >= SURE_OF_THE_VIEW:
        return [Doubt.OTHER_KIND]
    score = found.outlier_score
    far = score is not None and score > engine.info.outliers_threshold * OUTLIER_MARGIN
    return [Doubt.UNLIKE] if far or view.get("none", 0.0) >= SURE_OF_THE_VIEW else []
