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

_ARRAYS = ("hidden_kernel", "hidden_bias", "output_kernel", "output_bias")
_FURTHER = ("view", "findings")


@dataclass(frozen=True)
class Linear:
    """A dense layer on pooled features: W (channels, outputs), b (outputs)."""

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]

    def logits(self, pooled: NDArray[np.float32]) -> NDArray[np.float64]:
        """Pooled features (..., channels) to scores (..., outputs) before softmax or sigmoid."""
        return np.asarray(pooled @ self.kernel + self.bias, dtype=np.float64)


@dataclass(frozen=True)
class ClassifierHead:
    """The dense layers behind the pooled features.

    W (channels, hidden), b (hidden), V (hidden, outputs), d (outputs): the outputs are the classes. In a network with
    `view` (channels to what the picture is) they are followed by one more, for Normal as a heart. `findings` (channels
    to findings) are scored without a hidden layer.
    """

    hidden_kernel: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    output_kernel: NDArray[np.float32]
    output_bias: NDArray[np.float32]
    view: Linear | None = None
    findings: Linear | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> "ClassifierHead":
        """Read an `.npz`. Raises `ValueError`, `KeyError` or `OSError` for invalid data, `ValueError` for wrong
        shapes."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            read = {name: np.asarray(arrays[name], dtype=np.float32) for name in arrays.files}
        further = {
            name: Linear(read[f"{name}_kernel"], read[f"{name}_bias"])
            for name in _FURTHER
            if f"{name}_kernel" in read
        }
        hidden_kernel, hidden_bias, output_kernel, output_bias = (read[name] for name in _ARRAYS)
        view, findings = further.get("view"), further.get("findings")
        head = cls(hidden_kernel, hidden_bias, output_kernel, output_bias, view, findings)
        channels, hidden = head.hidden_kernel.shape
        _, outputs = head.output_kernel.shape
        if head.hidden_bias.shape != (hidden,) or head.output_kernel.shape != (hidden, outputs):
            raise ValueError("the shapes of the two dense layers do not fit")
        if head.output_bias.shape != (outputs,):
            raise ValueError("the shapes of the two dense layers do not fit")
        if any(layer.kernel.shape != (channels, *layer.bias.shape) for layer in further.values()):
            raise ValueError("the shape of a further dense layer does not fit")
        return head

    def to_bytes(self) -> bytes:
        """The `.npz` that `from_bytes` reads."""
        stream = io.BytesIO()
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        for name in _FURTHER:
            layer = getattr(self, name)
            if layer is not None:
                arrays |= {f"{name}_kernel": layer.kernel, f"{name}_bias": layer.bias}
        np.savez(stream, **arrays)
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


def finding_map(feature_map: NDArray[np.float32], layer: Linear, index: int) -> NDArray[np.float32]:
    """The map of a finding, scaled to 0..1, shape (height, width); all zero when nothing supports it.

    Without a hidden layer Grad-CAM is the class activation map of Zhou et al. 2016 ("Learning Deep Features for
    Discriminative Localization", https://arxiv.org/abs/1512.04150, equation 2): alpha_k = W_kc / Z.
    """
    cam = np.maximum(feature_map @ layer.kernel[:, index], 0).astype(np.float32)
    top = float(cam.max())
    return cam / top if top > 0 else cam
