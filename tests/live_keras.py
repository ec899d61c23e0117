"""Runs where Keras is: python live_keras.py FOLDER SEED writes models of every layer and operation, and their values.

Each model NAME.keras has an output per layer, named after it; NAME.npz holds input/... and layer/... as Keras computes.
"""

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers as k
from keras import ops as o

SAMPLES = 6
FUNCTIONS = """
relu sigmoid tanh elu celu selu softplus softsign exponential gelu mish hard_silu leaky_relu hard_shrink soft_shrink
sparse_sigmoid softmax log_softmax relu6 hard_tanh silu hard_sigmoid log_sigmoid squareplus sparse_plus tanh_shrink glu
linear
"""


def functions(rng):
    """Every function as an activation, by name and as a layer, and as an operation."""
    i = k.Input((6,), name="x")
    ys = [k.Activation(name, name=f"f_{name}")(i) for name in FUNCTIONS.split()]
    slope, top, at = (round(float(v), 3) for v in rng.uniform(0.1, 0.9, 3))
    for n, options in enumerate(
        (
            {"threshold": at},
            {"threshold": at, "negative_slope": slope},
            {"threshold": at, "max_value": at + top},
            {"threshold": at, "max_value": at + top, "negative_slope": slope},
            {"max_value": top, "negative_slope": slope},
            {"max_value": 6.0},
        )
    ):
        ys.append(k.ReLU(**options, name=f"relu{n}")(i))
    ys.append(k.Dense(4, activation=k.ReLU(max_value=top), name="dense_relu")(i))
    ys.append(k.Dense(4, activation=k.LeakyReLU(slope), name="dense_leaky")(i))
    ys.append(k.PReLU(alpha_initializer="random_normal", name="prelu")(i))
    ys.append(k.UnitNormalization(name="unit")(i))
    ops = {
        "silu": o.silu,
        "gelu": o.gelu,
        "gelu_exact": lambda x: o.gelu(x, approximate=False),
        "celu": lambda x: o.celu(x, slope),
        "elu": lambda x: o.elu(x, top),
        "leaky": lambda x: o.leaky_relu(x, slope),
        "hard_shrink": lambda x: o.hard_shrink(x, at),
        "soft_shrink": lambda x: o.soft_shrink(x, at),
        "threshold": lambda x: o.threshold(x, at, -slope),
        "threshold0": lambda x: o.threshold(x, at, 0.0),
        "softmax": o.softmax,
        "log_softmax": o.log_softmax,
        "relu6": o.relu6,
        "abs": o.absolute,
        "square": o.square,
        "sqrt": lambda x: o.sqrt(o.square(x)),
        "rsqrt": lambda x: o.rsqrt(o.square(x) + 0.5),
        "exp": o.exp,
        "log": lambda x: o.log(o.abs(x) + 0.5),
        "neg": o.negative,
        "sin": o.sin,
        "floor": o.floor,
        "sign": o.sign,
        "clip": lambda x: o.clip(x, -at, top),
    }
    ys += [k.Identity(name=f"o_{name}")(call(i)) for name, call in ops.items()]
    return i, ys


def operators(rng):
    """Operators between tensors and constants, and operations that move, reduce and multiply."""
    i, j = k.Input((6, 4), name="x"), k.Input((6, 4), name="z")
    c, v = round(float(rng.normal()), 3), rng.normal(size=4).astype("f")
    w = rng.normal(size=(4, 3)).astype("f")
    a, b = sorted(int(n) for n in rng.choice(np.arange(0, 7), 2, replace=False))
    calls = {
        "add": i + c,
        "radd": c + i,
        "sub": i - c,
        "rsub": c - i,
        "mul": i * c,
        "div": i / (abs(c) + 0.1),
        "vector": i * v,
        "rvector": o.subtract(v, i),
        "max": o.maximum(i, c),
        "rmax": o.maximum(c, i),
        "min": o.minimum(i, c),
        "vmax": o.minimum(i, v),
        "two_add": i + j,
        "two_sub": i - j,
        "two_mul": i * j,
        "two_max": o.maximum(i, j),
        "mean": o.mean(i, axis=1),
        "mean_keep": o.mean(i, axis=-1, keepdims=True),
        "sum": o.sum(i, axis=[1, 2], keepdims=True),
        "amax": o.max(i, axis=2),
        "amin": o.min(i, axis=-2),
        "reshape": o.reshape(i, (-1, 3, 8)),
        "transpose": o.transpose(i, (0, 2, 1)),
        "swap": o.swapaxes(i, 1, -1),
        "slice": i[:, a:b],
        "slice_step": i[:, ::2, 1:],
        "slice_back": i[:, ::-1, 3:0:-2],
        "item": i[:, -1],
        "item_last": i[..., 1],
        "new": i[:, None, 2],
        "squeeze": o.squeeze(i[:, 2:3], axis=1),
        "expand": o.expand_dims(i, axis=-1),
        "expand1": o.expand_dims(i, axis=1),
        "flip": o.flip(i, axis=1),
        "flip2": o.flip(i, axis=[1, 2]),
        "matmul": o.matmul(i, w),
        "matmul_two": o.matmul(i, o.transpose(j, (0, 2, 1))),
        "einsum": o.einsum("bij,bkj->bik", i, j),
        "einsum_turned": o.einsum("bij,bij->bj", i, j),
        "concat": o.concatenate([i, j], axis=1),
        "stack": o.stack([i, j], axis=2),
        "take": o.take(i, [3, 0, 0], axis=2),
        "softmax": o.softmax(i, axis=1),
    }
    first, second = o.split(i, 2, axis=1)
    calls["split"] = first - 2 * second
    ys = [k.Identity(name=f"o_{name}")(y) for name, y in calls.items()]
    ys += [k.Dot(axes, name=f"dot{n}")([i, j]) for n, axes in enumerate((1, 2, (1, 1), (-1, -1)))]
    ys.append(k.Dot(1, name="dot_vectors")([i[:, 0], j[:, 1]]))
    return [i, j], ys


def lines(rng):
    """Layers on sequences: attention, normalizations, transposed convolutions, wrappers."""
    i, j = k.Input((6, 4), name="x"), k.Input((5, 3), name="z")
    heads, width, _ = (int(n) for n in rng.integers(1, 4, 3))
    size, stride = (int(n) for n in rng.integers(1, 5, 2))
    shared = keras.Sequential([k.Input((4,)), k.Dense(3, activation="relu"), k.Dense(2)], name="shared")
    stepwise = keras.Sequential([k.Input((4,)), k.Dense(3, activation="relu"), k.Dense(2)], name="stepwise")
    x = k.Input((6, 4))
    inner = keras.Model(x, [k.Conv1D(3, 2)(x), k.Dense(2)(k.Flatten()(x))], name="two")
    conv, dense = inner(i)
    again, _ = inner(o.flip(i, axis=1))
    ys = [
        k.MultiHeadAttention(heads, width, name="self")(i, i),
        k.MultiHeadAttention(heads, width, value_dim=width, use_bias=False, output_shape=5, name="cross")(i, j),
        k.MultiHeadAttention(2, 3, name="keyed")(query=i, value=j, key=j + 1.0),
        k.LayerNormalization(name="ln")(i),
        k.LayerNormalization(axis=1, scale=False, name="ln1")(i),
        k.LayerNormalization(axis=[1, 2], epsilon=1e-2, center=False, name="ln12")(i),
        k.GroupNormalization(2, name="gn")(i),
        k.UnitNormalization(axis=1, name="unit")(i),
        k.BatchNormalization(axis=1, name="bn1")(i),
        k.PReLU(alpha_initializer="random_normal", shared_axes=[1], name="prelu")(i),
        k.Softmax(axis=1, name="softmax1")(i),
        k.Conv1DTranspose(3, size, strides=stride, name="ct_valid")(i),
        k.Conv1DTranspose(3, size, strides=stride, padding="same", use_bias=False, name="ct_same")(i),
        k.Cropping1D((1, 2), name="crop")(i),
        k.TimeDistributed(k.Dense(3, activation="tanh"), name="td_dense")(i),
        k.TimeDistributed(k.Reshape((2, 2)), name="td_reshape")(i),
        k.EinsumDense("abc,cd->abd", output_shape=(None, 7), bias_axes="d", activation="relu", name="ed")(i),
        k.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3), bias_axes="de", name="ed2")(i),
        k.EinsumDense("...x,xy->...y", output_shape=5, name="ed3")(i),
        k.EinsumDense("abc,bd->adc", output_shape=(3, 4), name="ed4")(i),
        k.RepeatVector(3, name="repeat")(k.Flatten()(i)),
        k.Identity(name="sequential")(shared(k.Flatten(name="row")(i[:, :1]))),
        k.TimeDistributed(stepwise, name="td_model")(i),
        k.Identity(name="inner_conv")(conv),
        k.Identity(name="inner_dense")(dense),
        k.Identity(name="inner_again")(again),
        k.Rescaling(0.25, offset=[1.0, 2.0, 0.0, -1.0], name="rescale")(i),
        k.Normalization(mean=[1.0, 2.0, 0.5, 0.0], variance=[1.0, 4.0, 0.5, 2.0], name="norm")(i),
        k.Normalization(axis=1, name="norm_seen")(i),
    ]
    return [i, j], ys


def planes(rng):
    """Layers on images and volumes."""
    i, v = k.Input((6, 5, 4), name="x"), k.Input((4, 4, 6, 2), name="volume")
    size, stride = (int(n) for n in rng.integers(1, 5, 2))
    ys = [
        k.Conv2DTranspose(3, (size, 3), strides=stride, name="ct_valid")(i),
        k.Conv2DTranspose(2, (3, size), strides=(stride, 2), padding="same", activation="relu", name="ct_same")(i),
        k.Cropping2D(((1, 2), (0, 1)), name="crop2")(i),
        k.GroupNormalization(2, name="gn")(i),
        k.GroupNormalization(-1, scale=False, name="gn_each")(i),
        k.BatchNormalization(axis=1, name="bn1")(i),
        k.BatchNormalization(axis=2, name="bn2")(i),
        k.PReLU(alpha_initializer="random_normal", shared_axes=[1, 2], name="prelu")(i),
        k.RandomFlip(name="flip")(i),
        k.RandomRotation(0.2, name="rotation")(i),
        k.RandomZoom(0.2, name="zoom")(i),
        k.RandomContrast(0.2, name="contrast")(i),
        k.RandomTranslation(0.2, 0.2, name="translation")(i),
        k.RandomBrightness(0.2, name="brightness")(i),
        k.SpatialDropout2D(0.5, name="dropout")(i),
        k.Conv2D(3, 2, activation=k.ReLU(max_value=1.0), name="conv_relu")(i),
        k.EinsumDense("abcd,de->abce", output_shape=(None, None, 3), bias_axes="e", name="ed")(i),
        k.Cropping3D((1, (0, 1), 2), name="crop3")(v),
        k.MaxPooling3D(2, name="mp3")(v),
        k.MaxPooling3D((2, 3, 2), strides=1, padding="same", name="mp3_same")(v),
        k.AveragePooling3D(2, name="ap3")(v),
        k.GlobalMaxPooling3D(name="gmp3")(v),
        k.GlobalAveragePooling3D(name="gap3")(v),
        k.ZeroPadding3D(1, name="pad3")(v),
        k.Conv3D(3, 2, padding="same", name="conv3")(v),
        k.SpatialDropout3D(0.5, name="dropout3")(v),
    ]
    return [i, v], ys


def words(rng):
    """Integers in."""
    i, p = k.Input((5,), dtype="int32", name="word"), k.Input((3, 3, 1), dtype="uint8", name="pixel")
    e = k.Embedding(7, 3, name="embedding")(i)
    return [i, p], [e, k.Dense(2, name="dense")(e), k.Rescaling(1 / 256, name="rescale")(p)]


def randomize(model, rng):
    for v in model.variables:
        kind, shape = v.path.rsplit("/", 1)[-1], tuple(v.shape)
        if "float32" not in str(v.dtype):
            continue
        positive = kind in ("moving_variance", "variance", "gamma")
        v.assign((rng.uniform(0.5, 1.5, shape) if positive else rng.normal(0, 0.5, shape)).astype("f"))


def data(tensor, rng):
    shape = (SAMPLES, *tensor.shape[1:])
    if "int" in str(tensor.dtype):
        return rng.integers(0, 7, shape).astype("f")
    return np.ldexp(rng.integers(-60, 61, shape), -4).astype("f")


def main(folder, seed):
    for build in (functions, operators, lines, planes, words):
        keras.utils.set_random_seed(seed)
        rng = np.random.default_rng(seed)
        inputs, outputs = build(rng)
        model = keras.Model(inputs, outputs, name=build.__name__)
        randomize(model, rng)
        for layer in model.layers:
            if isinstance(layer, k.Normalization):
                layer.finalize_state()
        xs = [data(t, rng) for t in model.inputs]
        cast = [x.astype(t.dtype) for t, x in zip(model.inputs, xs, strict=True)]
        ys = model(cast, training=False)
        names = [t._keras_history.operation.name for t in model.outputs]
        record = {f"input/{t.name}": x for t, x in zip(model.inputs, xs, strict=True)}
        record.update({f"layer/{n}": np.asarray(y) for n, y in zip(names, ys, strict=True)})
        np.savez_compressed(Path(folder) / f"keras_{build.__name__}.npz", **record)
        model.save(Path(folder) / f"keras_{build.__name__}.keras")
        if build in (lines, words):  # Keras cannot write constant arrays and layers as activations there
            model.save(Path(folder) / f"keras_{build.__name__}.h5")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
