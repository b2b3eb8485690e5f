"""The paper's augmentation: rotation up to 10 degrees, zoom up to 10 %, horizontal flip.

The same meaning as in Keras's `ImageDataGenerator` (independent zoom of both axes, edges continued), applied to the
network's input, and repeatable: the random numbers of an image depend only on seed, pass and its place in the list.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

ROTATION_DEGREES = 10.0
ZOOM = 0.1


def augment(image: NDArray[np.float32], seed: int, pass_number: int, index: int) -> NDArray[np.float32]:
    """One random view of an image (height, width, 3), same shape and range."""
    random = np.random.default_rng((seed, pass_number, index))
    angle = math.radians(random.uniform(-ROTATION_DEGREES, ROTATION_DEGREES))
    zoom_x, zoom_y = random.uniform(1 - ZOOM, 1 + ZOOM, size=2)
    flip = -1.0 if random.random() < 0.5 else 1.0
    height, width = image.shape[:2]
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    linear = np.array(
        [
            [math.cos(angle) * zoom_x * flip, -math.sin(angle) * zoom_y],
            [math.sin(angle) * zoom_x * flip, math.cos(angle) * zoom_y],
        ]
    )
    # WARP_INVERSE_MAP: the matrix says where in the source each output pixel comes from.
    matrix = np.column_stack([linear, centre - linear @ centre])
    warped = cv2.warpAffine(
        image,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(warped, dtype=np.float32)
