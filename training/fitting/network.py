"""Build the network of the paper: MobileNetV2, global average pooling, Dense(128, ReLU), Dense(n, softmax).

This is the only module that imports TensorFlow; everything in it needs the `train` extra.

The trained part of a recipe is a separate model that starts at the output of the last frozen layer. Batch
normalisation stays frozen: its moving averages (momentum 0.999) are too slow for a fine-tuning of a few thousand
steps. A frozen one is an affine map per channel, so during training it is folded into the convolution before it,
which saves a third of the time. It is separated again (exactly, up to rounding) when the network is put together. A
1 x 1 convolution is trained as the matrix product that it is, which saves another fifth on a CPU.
"""

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from training.data.findings import UNKNOWN
from training.fitting import heads
from training.recipes import Recipe

CHANNELS = 1280


def build_base(weights: str, width: int = 224, height: int = 224) -> Any:
    """MobileNetV2 without its top, frozen; `weights` is a file or `imagenet`."""
    base = keras.applications.MobileNetV2(weights=weights, include_top=False, input_shape=(height, width, 3))
    base.trainable = False
    return base


def last_frozen(base: Any, first_trained: str) -> Any:
    """The layer whose output is the input of the first trained block."""
    names = [layer.name for layer in base.layers]
    return base.layers[names.index(f"{first_trained}_expand") - 1]


def lower_part(base: Any, recipe: Recipe) -> Any:
    """From a picture in 0..1 to the input of the trained part: pooled features, or a feature map."""
    picture = keras.Input(base.input_shape[1:], name="picture")
    if recipe.first_trained is None:
        feature_map = base(scaling(recipe.scaled)(picture), training=False)
        return keras.Model(picture, keras.layers.GlobalAveragePooling2D()(feature_map))
    lower = keras.Model(base.input, last_frozen(base, recipe.first_trained).output)
    return keras.Model(picture, lower(scaling(recipe.scaled)(picture), training=False))


def scaling(scaled: bool) -> Any:
    """From 0..1 to the input range of the base."""
    return keras.layers.Rescaling(2.0, offset=-1.0, name="scale") if scaled else keras.layers.Identity()


def folded(layer: Any, normalisation: Any) -> list[Any]:
    """Kernel and bias of a convolution that includes its frozen batch normalisation."""
    (kernel,) = layer.get_weights()
    gamma, beta, mean, variance = normalisation.get_weights()
    factor = gamma / np.sqrt(variance + normalisation.epsilon)
    return [kernel * _along(kernel, factor), beta - mean * factor]


def unfold(layer: Any, normalisation: Any, kernel: Any, bias: Any) -> None:
    """Write kernel and bias of `folded` back to a convolution and its batch normalisation.

    The factor gamma / sqrt(variance) is kept, so the kernel is divided by it and the bias goes to beta. A channel
    whose factor is zero has no original kernel; its folded kernel is used and its factor is set to 1.
    """
    gamma, _, mean, variance = normalisation.get_weights()
    root = np.sqrt(variance + normalisation.epsilon)
    factor = gamma / root
    dead = np.abs(factor) < 1e-6
    gamma, factor = np.where(dead, root, gamma), np.where(dead, 1.0, factor)
    layer.set_weights([kernel / _along(kernel, factor)])
    normalisation.set_weights([gamma, bias + mean * factor, mean, variance])


def _along(kernel: Any, factor: Any) -> Any:
    """The factor, reshaped for the channels of a kernel: the last axis, or the one before for depthwise kernels."""
    return factor[:, np.newaxis] if kernel.shape[-1] == 1 and len(factor) > 1 else factor


def round_to_half(base: Any, head: Any) -> None:
    """Round every folded kernel and bias, and those of the head, to half precision."""
    for conv, normalisation in _pairs(base, None):
        unfold(conv, normalisation, *(_half(array) for array in folded(conv, normalisation)))
    for layer in heads.halved(head):
        layer.set_weights([_half(array) for array in layer.get_weights()])


def _half(array: Any) -> Any:
    return array.astype(np.float16).astype(np.float32)


def _pairs(base: Any, first_trained: str | None) -> list[tuple[Any, Any]]:
    """The convolutions from a block on (None: all), each with the batch normalisation after it."""
    start = 0 if first_trained is None else base.layers.index(last_frozen(base, first_trained)) + 1
    layers = base.layers[start:]
    normal = (layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization))
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    return list(zip((layer for layer in layers if isinstance(layer, kinds)), normal, strict=True))


def upper_part(base: Any, first_trained: str) -> Any:
    """The base from a block on, with batch normalisation folded in: feature map in, last feature map out."""
    behind = {conv.name: normal for conv, normal in _pairs(base, first_trained)}
    start = last_frozen(base, first_trained)
    inner = keras.Input(start.output.shape[1:], name="activations")
    values: dict[str, Any] = {start.output.name: inner}
    made: list[tuple[Any, Any]] = []
    for layer in base.layers[base.layers.index(start) + 1 :]:
        given = layer.input if isinstance(layer.input, list) else [layer.input]
        taken = [values[tensor.name] for tensor in given]
        if isinstance(layer, keras.layers.BatchNormalization):
            values[layer.output.name] = taken[0]
            continue
        copy = _trainable(layer, with_bias=layer.name in behind)
        values[layer.output.name] = copy(taken if len(taken) > 1 else taken[0])
        if layer.name in behind:
            made.append((copy, layer))
    for copy, layer in made:
        kernel, bias = folded(layer, behind[layer.name])
        copy.set_weights([kernel.reshape(copy.kernel.shape), bias])
    return keras.Model(inner, values[base.output.name], name="upper")


def _trainable(layer: Any, *, with_bias: bool) -> Any:
    """A trainable layer with the same function; a 1 x 1 convolution as a matrix product."""
    config = layer.get_config()
    one_pixel = type(layer) is keras.layers.Conv2D and layer.kernel_size == (1, 1) == layer.strides
    if one_pixel and with_bias:
        return keras.layers.Dense(layer.filters, activation=config["activation"], name=layer.name)
    if with_bias:
        config["use_bias"] = True
    return type(layer).from_config(config | {"trainable": True, "dtype": None})


@keras.saving.register_keras_serializable("csss")
def known_crossentropy(truth: Any, found: Any) -> Any:
    """Binary cross-entropy over the labelled findings; zero for an image without any label."""
    known = keras.ops.cast(keras.ops.not_equal(truth, UNKNOWN), "float32")
    found = keras.ops.clip(keras.ops.cast(found, "float32"), 1e-6, 1 - 1e-6)
    each = -(truth * keras.ops.log(found) + (1 - truth) * keras.ops.log(1 - found)) * known
    return keras.ops.sum(each, axis=-1) / keras.ops.maximum(keras.ops.sum(known, axis=-1), 1.0)


def build_trained_part(recipe: Recipe, weights: str, classes: int, seed: int, steps: int = 1) -> Any:
    """The trained part of a recipe, compiled: the head on pooled features, or upper blocks and head on feature
    maps.

    `steps` is the number of steps per epoch, which the learning-rate schedule needs.
    """
    base = None if recipe.first_trained is None else build_base(weights)
    keras.utils.set_random_seed(seed)
    if base is None:
        start = pooled = keras.Input((CHANNELS,), name="pooled")
    else:
        upper = upper_part(base, str(recipe.first_trained))
        start = upper.input
        pooled = keras.layers.GlobalAveragePooling2D(name="pool")(upper.output)
    if recipe.dropout:
        pooled = keras.layers.Dropout(recipe.dropout, seed=seed, name="drop")(pooled)
    probabilities, view = heads.class_outputs(pooled, recipe, classes)
    outputs = [probabilities]
    losses: list[Any] = [keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)]
    for output, loss in (
        (heads.further_outputs(pooled, recipe), known_crossentropy),
        (view, keras.losses.CategoricalCrossentropy()),
    ):
        if output is not None:
            outputs.append(output)
            losses.append(loss)
    model = keras.Model(start, outputs, name="head")
    rate: Any = recipe.learning_rate
    if recipe.cosine:
        warm = max(1, round(recipe.warm_up_epochs * steps))
        rate = keras.optimizers.schedules.CosineDecay(
            recipe.learning_rate / 20,
            recipe.epochs * steps - warm,
            alpha=0.01,
            warmup_target=recipe.learning_rate,
            warmup_steps=warm,
        )
    model.compile(
        optimizer=_optimizer(recipe, rate),
        loss=losses,
        loss_weights=[1.0, recipe.findings, 1.0][: len(losses)],
        metrics=[["accuracy"], [], []][: len(losses)],
        jit_compile="auto" if tf.config.list_physical_devices("GPU") else False,  # slower on a CPU
    )
    return model


def _optimizer(recipe: Recipe, rate: Any) -> Any:
    """Adam; with decoupled weight decay (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101) if set."""
    if not recipe.weight_decay:
        return keras.optimizers.Adam(rate)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def classifier(trained: Any, output: str = "probabilities") -> Any:
    """The trained part with one output, the class probabilities unless another one is named (`findings`, `view`)."""
    return keras.Model(trained.input, trained.get_layer(output).output, name="classifier")


def join(base: Any, trained: Any, recipe: Recipe) -> Any:
    """The complete network, from a picture in 0..1 to what `assemble` says.

    The base's upper blocks get the trained weights. A network of which more than the head was trained is rounded to
    half precision, so that its run-time file can be half as large and still be the same network.
    """
    if recipe.first_trained is not None:
        for conv, normalisation in _pairs(base, recipe.first_trained):
            kernel, bias = trained.get_layer(conv.name).get_weights()
            unfold(conv, normalisation, kernel.reshape(conv.kernel.shape), bias)
        round_to_half(base, trained)
    return assemble(base, trained, recipe)


@keras.saving.register_keras_serializable("csss")
class ChannelStatistics(keras.layers.Layer):
    """Mean and standard deviation of each channel of several layers, side by side: (n, height, width, channels) each to
    (n, 2 x the sum of the channels)."""

    def call(self, maps: list[Any]) -> Any:
        """The means of a layer, then its standard deviations, layer after layer."""
        parts = []
        for values in maps:
            mean, variance = keras.ops.moments(values, axes=[1, 2])
            parts += [mean, keras.ops.sqrt(variance)]
        return keras.ops.concatenate(parts, axis=-1)


def assemble(base: Any, trained: Any, recipe: Recipe) -> Any:
    """A network from a picture in 0..1 to (probabilities, feature map), and where the recipe compares layers to their
    channels' statistics (n, 320), too. The base has its final weights."""
    picture = keras.Input(base.input_shape[1:], name="picture")
    scaled = scaling(recipe.scaled)(picture) if recipe.scaled else picture
    if not recipe.compared:
        feature_map, maps = base(scaled, training=False), []
    else:
        layers = [base.get_layer(name).output for name in recipe.compared]
        feature_map, *maps = keras.Model(base.input, [base.output, *layers], name="layers")(
            scaled, training=False
        )
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(feature_map)
    outputs = [heads.applied(trained, pooled), feature_map]
    if maps:
        outputs.append(ChannelStatistics(name="statistics", dtype="float32")(maps))
    return keras.Model(picture, outputs, name="csss")


def to_litert(model: Any, float16: bool = False, batch: int = 1) -> bytes:
    """Convert a Keras model to LiteRT for a fixed batch; optionally half-precision weights; arithmetic in float32."""
    picture = keras.Input(model.input_shape[1:], batch_size=batch, name="picture")
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(picture, model(picture, training=False)))
    if float16:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    return bytes(converter.convert())


def load_model(file: Path) -> Any:
    """Load the Keras file of a model folder."""
    return keras.models.load_model(file, compile=False)
