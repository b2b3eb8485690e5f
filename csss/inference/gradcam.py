"""Compute Grad-CAM in closed form; this network needs no gradient engine.

Grad-CAM (Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
https://arxiv.org/abs/1610.02391, equations 1 and 2) weights each channel k of the last feature map A by the spatial
mean of the gradient of the class score y_c (before the softmax):

     alpha_k = (1/Z) sum_xy d y_c / d A_k(x, y),        map = ReLU( sum_k alpha_k A_k )

with Z the number of cells. Here the head is pooling and two dense layers:

     g_k = (1/Z) sum_xy A_k(x, y)
     h_j = ReLU( sum_k W_kj g_k + b_j )
     y_c = sum_j V_jc h_j + d_c

Pooling is a mean, so d g_k / d A_k(x, y) = 1/Z at every cell. ReLU has slope 1 where its input is positive and 0
elsewhere. By the chain rule

     d y_c / d A_k(x, y) = (1/Z) sum_j W_kj [h_j > 0] V_jc

This does not depend on (x, y), so it equals its own spatial mean, which is alpha_k. The map is scaled to a maximum
of 1 as usual, so the constant 1/Z matters only for `raw_map`.
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ClassifierHead:
    """The two dense layers: W (channels, hidden), b (hidden), V (hidden, classes), d (classes)."""

    hidden_kernel: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    output_kernel: NDArray[np.float32]
    output_bias: NDArray[np.float32]

    @classmethod
    def from_bytes(cls, data: bytes) -> "ClassifierHead":
        """Read an `.npz`. Raises `ValueError`, `KeyError` or `OSError` for invalid data, `ValueError` for wrong
        shapes."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            head = cls(
                *(
                    np.asarray(arrays[name], dtype=np.float32)
                    for name in ("hidden_kernel", "hidden_bias", "output_kernel", "output_bias")
                )
            )
        _, hidden = head.hidden_kernel.shape
        _, classes = head.output_kernel.shape
        if head.hidden_bias.shape != (hidden,) or head.output_kernel.shape != (hidden, classes):
            raise ValueError("the shapes of the two dense layers do not fit")
        if head.output_bias.shape != (classes,):
            raise ValueError("the shapes of the two dense layers do not fit")
        return head

    def to_bytes(self) -> bytes:
        """The `.npz` that `from_bytes` reads."""
        stream = io.BytesIO()
        np.savez(
            stream,
            hidden_kernel=self.hidden_kernel,
            hidden_bias=self.hidden_bias,
            output_kernel=self.output_kernel,
            output_bias=self.output_bias,
        )
        return stream.getvalue()


def raw_map(feature_map: NDArray[np.float32], head: ClassifierHead, class_index: int) -> NDArray[np.float32]:
    """ReLU(sum_k alpha_k A_k): feature map (height, width, channels) to (height, width), unscaled."""
    cells = feature_map.shape[0] * feature_map.shape[1]
    pooled = feature_map.mean(axis=(0, 1))
    active = pooled @ head.hidden_kernel + head.hidden_bias > 0
    alpha = head.hidden_kernel @ (active * head.output_kernel[:, class_index]) / cells
    return np.maximum(feature_map @ alpha, 0).astype(np.float32)


def grad_cam(feature_map: NDArray[np.float32], head: ClassifierHead, class_index: int) -> NDArray[np.float32]:
    """The map scaled to 0..1, shape (height, width); all zero when nothing supports the class."""
    cam = raw_map(feature_map, head, class_index)
    top = float(cam.max())
    return cam / top if top > 0 else cam
