"""Makes tests/golden/keras: small models of every layer that hwq converts, and what QKeras itself computes for them.

Run by hand, in an environment of its own: pip install keras jax qkeras-v3 pyparsing six networkx tqdm matplotlib; then
KERAS_BACKEND=jax python tests/make_keras_golden.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import qkeras as q
from keras import layers as k

FOLDER = Path(__file__).parent / "golden" / "keras"
SAMPLES = 12
KERNELS = (
    "quantized_bits(4,0,1)",
    "quantized_bits(4,0,0,alpha=1)",
    "quantized_bits(4,0,1,alpha=0.3)",
    "quantized_bits(4,0,1,alpha='auto')",
    "quantized_bits(2,0,1)",
    "quantized_bits(1,0,1,alpha=1)",
    "quantized_bits(3,0,0,keep_negative=False,alpha=1)",
    "quantized_linear(4,0,1)",
    "quantized_linear(4,0,1,alpha='auto')",
    "quantized_linear(4,0,1,alpha=0.7)",
    "quantized_relu(4,0)",
    "quantized_po2(4,1)",
    "quantized_relu_po2(4,1)",
    "binary()",
    "binary(use_01=True,alpha=1)",
    "binary(alpha='auto')",
    "ternary()",
    "ternary(alpha='auto')",
    "ternary(alpha=0.5,threshold=0.5)",
    "stochastic_ternary(alpha='auto_po2')",
    "stochastic_binary(alpha='auto')",
    "quantized_tanh(4)",
    "quantized_sigmoid(4)",
)
ACTIVATIONS = (
    "quantized_bits(6,2,1)",
    "quantized_bits(1,0,1)",
    "quantized_bits(4,1,0,alpha=0.5)",
    "quantized_linear(6,2,1)",
    "quantized_relu(6,2)",
    "quantized_relu(6,2,negative_slope=0.25)",
    "quantized_relu(4,2,use_sigmoid=1)",
    "quantized_tanh(6)",
    "quantized_sigmoid(6)",
    "quantized_po2(4,4)",
    "quantized_relu_po2(4,4)",
    "binary(alpha=1)",
    "binary(use_01=True,alpha=1)",
    "ternary(alpha=1,threshold=0.75)",
    "hard_tanh",
    "hard_sigmoid",
    "smooth_sigmoid",
    "relu",
)


def act(x: Any, name: str, spec: str = "quantized_bits(8,2,1)") -> Any:
    return q.QActivation(spec, name=name)(x)


def planes() -> Any:
    """Two-dimensional windows of all kinds."""
    i = k.Input((9, 8, 3), name="image")
    x = act(i, "q_in")
    x = q.QConv2D(
        4,
        3,
        strides=2,
        padding="same",
        kernel_quantizer="quantized_bits(4,0,1)",
        bias_quantizer="quantized_bits(8,2,1)",
        name="c1",
    )(x)
    x = act(x, "a1", "quantized_relu(6,3)")
    x = q.QDepthwiseConv2D(
        (3, 2),
        padding="same",
        depth_multiplier=2,
        depthwise_quantizer="quantized_bits(5,0,1)",
        bias_quantizer="quantized_bits(8,2,1)",
        name="dw",
    )(x)
    x = act(x, "a2", "quantized_tanh(6)")
    big = k.ZeroPadding2D(((1, 0), (2, 1)), name="pad")(k.UpSampling2D((2, 3), name="up")(x))
    s = q.QSeparableConv2D(
        5,
        3,
        strides=1,
        depth_multiplier=1,
        depthwise_quantizer="quantized_bits(4,0,1,alpha=1)",
        pointwise_quantizer="quantized_bits(4,0,1)",
        bias_quantizer="quantized_bits(6,1,1)",
        activation="quantized_relu(7,4)",
        name="sep",
    )(big)
    m = k.MaxPooling2D(3, 2, padding="same", name="mp")(s)
    a = q.QAveragePooling2D(
        (2, 3), average_quantizer="quantized_bits(8,0,1,alpha=1)", activation="quantized_bits(8,4,1)", name="ap"
    )(s)
    g = q.QGlobalAveragePooling2D(average_quantizer="quantized_bits(10,0,1,alpha=1)", name="gap")(a)
    gm = k.GlobalMaxPooling2D(name="gmp")(m)
    group = q.QConv2D(
        6, (1, 2), groups=2, use_bias=False, dilation_rate=(1, 2), kernel_quantizer="ternary()", name="grouped"
    )(x)
    f = k.Flatten(name="flat")(group)
    both = k.Concatenate(name="both")(
        [act(g, "a3", "quantized_bits(8,4,1)"), act(gm, "a4", "quantized_bits(8,4,1)"), f]
    )
    y = q.QDense(4, kernel_quantizer="quantized_bits(4,0,1)", bias_quantizer="quantized_bits(8,2,1)", name="y")(both)
    return keras.Model(i, [y, m], name="planes")


def lines() -> Any:
    """One-dimensional windows, moves and merges."""
    i, j = k.Input((12, 4), name="left"), k.Input((12, 4), name="right")
    shared = q.QConv1D(
        4,
        3,
        padding="same",
        kernel_quantizer="quantized_bits(4,0,1)",
        bias_quantizer="quantized_bits(6,1,1)",
        activation="quantized_bits(8,3,1)",
        name="shared",
    )
    left, right = shared(act(i, "ql")), shared(act(j, "qr"))
    total = k.Add(name="sum")([left, right, left])
    less = k.Subtract(name="less")([left, right])
    times = k.Multiply(name="times")([left, right])
    mean = k.Average(name="mean")([left, right])
    most = k.Maximum(name="most")([left, right])
    least = k.Minimum(name="least")([left, right])
    cat = k.Concatenate(axis=1, name="along")([total, less, most])
    cat = k.Concatenate(name="across")([cat, k.Concatenate(axis=1, name="along2")([times, mean, least])])
    z = act(k.ZeroPadding1D((1, 2), name="pad")(cat), "qz", "quantized_bits(8,4,1)")
    z = q.QSeparableConv1D(
        3,
        2,
        depthwise_quantizer="quantized_bits(4,0,1)",
        pointwise_quantizer="binary(alpha=1)",
        bias_quantizer="quantized_bits(6,1,1)",
        name="sep",
    )(z)
    z = act(k.MaxPooling1D(2, name="mp")(k.UpSampling1D(2, name="up")(z)), "qm", "quantized_relu(8,4)")
    z = k.Reshape((2, -1), name="shape")(k.Permute((2, 1), name="turn")(z))
    z = k.Dropout(0.5, name="drop")(z)
    y = q.QDense(
        3,
        kernel_quantizer="quantized_po2(4,1)",
        bias_quantizer="quantized_po2(4,1)",
        activation="quantized_tanh(8)",
        name="y",
    )(z)
    return keras.Model([i, j], [y, k.AveragePooling1D(2, 2, name="ap")(total)], name="lines")


def norms() -> Any:
    """Normalizations, plain, quantized and folded; each result is quantized again."""
    i = k.Input((6, 6, 2), name="x")
    x = act(i, "q_in")
    x = q.QConv2DBatchnorm(
        4, 3, kernel_quantizer="quantized_bits(6,0,1)", bias_quantizer="quantized_bits(8,3,1)", name="fold"
    )(x)
    x = act(x, "a1", "quantized_relu(6,2)")
    x = q.QDepthwiseConv2DBatchnorm(
        2, depthwise_quantizer="quantized_bits(6,0,1,alpha=1)", bias_quantizer="quantized_bits(8,3,1)", name="fold_dw"
    )(x)
    x = act(x, "a2", "quantized_bits(7,2,1)")
    # its default quantized_relu_po2 with a max_value fails on JAX in the package
    x = q.QBatchNormalization(gamma_quantizer="quantized_bits(6,1,1,alpha=1)", name="qbn")(x)
    x = act(x, "a3", "quantized_bits(7,2,1)")
    x = k.BatchNormalization(scale=False, name="bn")(x)
    x = act(x, "a4", "quantized_bits(7,2,1)")
    x = k.Flatten(name="flat")(x)
    x = q.QDenseBatchnorm(
        5, kernel_quantizer="quantized_bits(6,0,1)", bias_quantizer="quantized_bits(8,3,1)", name="fold_d"
    )(x)
    x = act(x, "a5", "quantized_bits(7,2,1)")
    x = q.QBatchNormalization(
        gamma_quantizer=None,
        variance_quantizer=None,
        center=False,
        mean_quantizer="quantized_bits(8,1,1,alpha=1)",
        inverse_quantizer="quantized_bits(8,2,0,alpha=1)",
        name="qbn_inverse",
    )(x)
    return keras.Model(i, act(x, "y", "quantized_bits(7,3,1)"), name="norms")


def quantizers() -> Any:
    """One dense layer per kernel quantizer, one activation per activation quantizer."""
    i = k.Input((6,), name="x")
    x = act(i, "q_in")
    ys = [q.QDense(3, kernel_quantizer=spec, use_bias=False, name=f"k{n}")(x) for n, spec in enumerate(KERNELS)]
    ys += [act(x, f"a{n}", spec) for n, spec in enumerate(ACTIVATIONS)]
    return keras.Model(i, ys, name="quantizers")


def adaptive() -> Any:
    """An adaptive activation, in a Sequential model without an input layer's name."""
    return keras.Sequential(
        [
            k.Input((5,)),
            q.QActivation("quantized_bits(8,2,1)", name="q_in"),
            q.QDense(4, kernel_quantizer="quantized_bits(4,0,1)", bias_quantizer="quantized_bits(6,0,1)", name="d"),
            q.QAdaptiveActivation("quantized_relu", 6, ema_freeze_delay=10, name="ad"),
            k.Activation("softmax", name="probabilities"),
        ],
        name="adaptive",
    )


def plain() -> Any:
    """Keras' own layers and functions, in float."""
    i, j = k.Input((8, 6, 4), name="image"), k.Input((10, 4), name="line")
    x = k.Conv2D(4, 3, padding="same", strides=2, activation="relu6", name="c2")(i)
    x = k.DepthwiseConv2D(2, padding="same", depth_multiplier=2, activation="leaky_relu", name="dw2")(x)
    x = k.SeparableConv2D(5, 2, name="sep2", activation="hard_sigmoid")(x)
    x = k.GaussianNoise(0.5, name="noise")(k.SpatialDropout2D(0.5, name="drop2")(x))
    a = k.AveragePooling2D(2, 1, padding="same", name="ap2")(x)
    a = k.GlobalAveragePooling2D(keepdims=True, name="gap2")(a)
    up = k.UpSampling2D(2, interpolation="bilinear", name="up2")(x)
    y = k.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="swish", name="c1")(j)
    y = k.DepthwiseConv1D(3, activation="gelu", name="dw1")(y)
    y = k.SeparableConv1D(3, 2, activation="elu", name="sep1")(y)
    y = k.ReLU(max_value=0.75, negative_slope=0.25, name="bounded")(y)
    z = k.Concatenate(name="cat")([k.GlobalAveragePooling1D(name="gap1")(y), k.GlobalMaxPooling1D(name="gmp1")(y)])
    z = k.Dense(5, activation="softplus", name="d")(k.AlphaDropout(0.5, name="drop1")(z))
    z = k.ReLU(max_value=2, name="clipped")(k.LeakyReLU(negative_slope=0.125, name="leaky")(k.ELU(name="elu")(z)))
    z = k.Softmax(name="softmax")(k.ReLU(name="relu")(k.Activation("tanh", name="tanh")(z)))
    flat = k.Flatten(name="flat")(k.GaussianDropout(0.5, name="drop3")(k.Identity(name="same")(up)))
    return keras.Model([i, j], [z, a, flat], name="plain")


def randomize(model: Any, rng: Any) -> None:
    for layer in model._flatten_layers():
        for v in layer._trainable_variables + layer._non_trainable_variables:
            kind = v.path.rsplit("/", 1)[-1]
            if v.dtype != "float32" or kind in ("step",):
                continue
            shape = tuple(v.shape)
            if kind in ("moving_variance", "gamma"):
                v.assign(rng.uniform(0.5, 1.5, shape).astype("f"))
            elif kind == "ema_max":
                v.assign(np.full(shape, 3.2, "f"))
            else:
                v.assign(rng.normal(0, 0.5, shape).astype("f"))


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for build in (planes, lines, plain, norms, quantizers, adaptive):
        if sys.argv[1:] and build.__name__ not in sys.argv[1:]:
            continue
        keras.utils.set_random_seed(1)
        model, rng = build(), np.random.default_rng(7)
        randomize(model, rng)
        inputs = [np.ldexp(rng.integers(-60, 61, (SAMPLES, *t.shape[1:])), -4).astype("f") for t in model.inputs]
        model(inputs)  # adaptive activations settle
        record = {f"input/{t.name}": x for t, x in zip(model.inputs, inputs, strict=True)}
        kept = [x for x in model.layers if not isinstance(x, k.InputLayer) and len(x._inbound_nodes) == 1]
        probe = keras.Model(model.inputs, [x.output for x in kept])
        outputs = probe(inputs)
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        record.update({f"layer/{x.name}": np.asarray(y) for x, y in zip(kept, outputs, strict=True)})
        np.savez_compressed(FOLDER / f"{build.__name__}.npz", **record)
        model.save(FOLDER / f"{build.__name__}.keras")
        if build is not adaptive:
            model.save(FOLDER / f"{build.__name__}.h5")
        print(build.__name__, len(kept))


if __name__ == "__main__":
    main()
