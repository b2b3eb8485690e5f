"""The network of the paper: MobileNetV2, global average pooling, Dense(128, ReLU), Dense(n, softmax).

The only module that imports TensorFlow; everything in it needs the `train` extra.
"""

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf

CHANNELS = 1280
HIDDEN = 128


def build_base(weights: str, width: int = 224, height: int = 224) -> Any:
    """MobileNetV2 without its top, frozen; `weights` is a file or `imagenet`."""
    base = keras.applications.MobileNetV2(weights=weights, include_top=False, input_shape=(height, width, 3))
    base.trainable = False
    return base


def build_head(classes: int, seed: int) -> Any:
    """The two dense layers on pooled features, shape (batch, 1280) to (batch, classes), compiled as in the paper."""
    keras.utils.set_random_seed(seed)
    head = keras.Sequential(
        [
            keras.Input((CHANNELS,), name="pooled"),
            keras.layers.Dense(HIDDEN, activation="relu", name="hidden"),
            keras.layers.Dense(classes, activation="softmax", name="probabilities"),
        ],
        name="head",
    )
    head.compile(optimizer=keras.optimizers.Adam(1e-4), loss="categorical_crossentropy", metrics=["accuracy"])
    return head


def join(base: Any, head: Any) -> Any:
    """The whole network, from a picture to (probabilities, feature map)."""
    picture = keras.Input(base.input_shape[1:], name="picture")
    feature_map = base(picture, training=False)
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(feature_map)
    probabilities = head.get_layer("probabilities")(head.get_layer("hidden")(pooled))
    return keras.Model(picture, [probabilities, feature_map], name="csss")


def to_litert(model: Any, float16: bool = False, batch: int = 1) -> bytes:
    """Convert a Keras model to LiteRT for a fixed batch; half-precision weights when asked, arithmetic in float32."""
    picture = keras.Input(model.input_shape[1:], batch_size=batch, name="picture")
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(picture, model(picture, training=False)))
    if float16:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    return bytes(converter.convert())


def load_model(file: Path) -> Any:
    """The Keras file of a model folder."""
    return keras.models.load_model(file, compile=False)
