"""Einstein sums of two operands as Transpose, Reshape and MatMul: EinsumDense, Dot, matmul and einsum."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq.errors import printable
from hwq.models.builder import Floats, Tensor
from hwq.models.keras.activations import activated
from hwq.models.keras.layer import Layer, Rule, unary

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
Operand = Tensor | Floats


def split_equation(layer: Layer, equation: Any, ranks: tuple[int, int]) -> tuple[str, str, str]:
    """The letters of both operands and of the result; `...` becomes letters. `ranks` count the batch."""
    text = str(equation).replace(" ", "") if isinstance(equation, str) else ""
    left, arrow, out = text.partition("->")
    terms = left.split(",")
    if not arrow or len(terms) != 2:
        raise layer.fail(f"the equation '{printable(equation)}'", "write two operands and the result: ab,bc->ac")
    dots = max(
        (rank - len(t.replace("...", "")) for t, rank in zip(terms, ranks, strict=True) if "..." in t), default=0
    )
    spare = "".join(c for c in LETTERS if c not in text)[: max(dots, 0)]
    terms = [t.replace("...", spare) for t in (*terms, out)]
    used = set("".join(terms[:2]))
    bad = any(not t.isalpha() or len(set(t)) != len(t) for t in terms if t) or not set(terms[2]) <= used
    if bad or any(len(t) != rank for t, rank in zip(terms[:2], ranks, strict=True)):
        raise layer.fail(f"the equation '{printable(equation)}'", "name every axis once per operand")
    return terms[0], terms[1], terms[2]


def einsum(layer: Layer, letters: tuple[str, str, str], a: Operand, b: Operand, suffix: str = "") -> Tensor:
    """The sum over the letters that the result does not name; a Tensor's first letter is its batch."""
    sizes: dict[str, int] = {}
    batch = next(t[0] for t, o in zip(letters, (a, b), strict=False) if isinstance(o, Tensor))
    for term, operand in zip(letters, (a, b), strict=False):
        shape = operand.shape if not isinstance(operand, Tensor) else (0, *operand.shape)
        if isinstance(operand, Tensor) and term[0] != batch:
            raise layer.fail("a sum where the batch axes differ", "let both operands begin with the batch")
        if not isinstance(operand, Tensor) and batch in term:
            raise layer.fail("a constant with a batch axis", "use a constant without one")
        for letter, extent in zip(term, shape, strict=True):
            if sizes.setdefault(letter, extent) != extent:
                raise layer.broken(f"axis {letter} of {sizes[letter]} and {extent} elements")
    out = letters[2]
    if not out or out[0] != batch:
        raise layer.fail("a sum over the batch", "keep the batch as the first axis of the result")
    left, right = letters[0], letters[1]
    shared = [c for c in out if c in left and c in right and c != batch]
    summed = [c for c in left if c in right and c not in out]
    rows, columns = ([c for c in out if c in mine and c not in other] for mine, other in ((left, right), (right, left)))
    rows, columns = ([c for c in names if c != batch] for names in (rows, columns))
    for term, other in ((left, right), (right, left)):
        alone = [c for c in term if c not in other and c not in out]
        if alone:
            raise layer.fail(f"a sum over axis {alone[0]} of one operand", "sum it with keras.ops.sum first")
    order_a, order_b = [*shared, *rows, *summed], [*shared, *summed, *columns]

    def size(names: list[str]) -> int:
        return prod(sizes[c] for c in names)

    batches = [sizes[c] for c in shared]
    x = _arranged(layer, a, left, batch, order_a, (*batches, size(rows), size(summed)), f"{suffix}left")
    y = _arranged(layer, b, right, batch, order_b, (*batches, size(summed), size(columns)), f"{suffix}right")
    like = Tensor("", (*batches, size(rows), size(columns)))
    made = [*shared, *rows, *columns]
    whole = tuple(sizes[c] for c in made)
    done = made == list(out[1:])
    product = layer.node("MatMul", [x, y], like, suffix if whole == like.shape and done else f"{suffix}matmul")
    if whole != like.shape:
        target = layer.value("shape", [0, *whole], np.int64)
        product = layer.node("Reshape", [product, target], Tensor("", whole), suffix if done else f"{suffix}shaped")
    if done:
        return product
    perm = [0, *(1 + made.index(c) for c in out[1:])]
    return layer.node("Transpose", [product], Tensor("", tuple(sizes[c] for c in out[1:])), suffix, perm=perm)


def _arranged(
    layer: Layer, x: Operand, term: str, batch: str, order: list[str], shape: tuple[int, ...], suffix: str
) -> Tensor | str:
    """An operand with its axes in an order, under a shape."""
    if not isinstance(x, Tensor):
        moved = np.ascontiguousarray(x.transpose([term.index(c) for c in order]).reshape(shape))
        return layer.constant(suffix.strip("_"), None, moved)
    x = layer.b.last(x)
    perm = [0, *(term.index(c) for c in order)]
    if perm != list(range(len(perm))):
        turned = tuple(x.shape[i - 1] for i in perm[1:])
        x = layer.node("Transpose", [x], Tensor("", turned), f"{suffix}_turned", perm=perm)
    if x.shape != shape:
        x = layer.node("Reshape", [x, layer.value("shape", [0, *shape], np.int64)], Tensor("", shape), f"{suffix}_rows")
    return x


def _einsum_dense(layer: Layer, x: Tensor) -> Tensor:
    """EinsumDense: the sum with a kernel, a bias along the axes named, an activation."""
    shape = layer.config.get("output_shape")
    equation, axes = layer.text("equation", ""), layer.config.get("bias_axes")
    kernel_term = equation.replace(" ", "").partition("->")[0].partition(",")[2]
    names = ["kernel", *(["bias"] if axes else [])]
    found = layer.read(names)
    kernel = found["kernel"]
    terms = split_equation(layer, equation, (len(x.shape) + 1, len(kernel_term)))
    if kernel.ndim != len(terms[1]):
        raise layer.broken(f"a kernel of {kernel.ndim} axes for the equation '{equation}'")
    y = einsum(layer, terms, x, kernel, "product")
    wanted = [shape] if isinstance(shape, int) else list(shape or ())
    if [d for d in wanted if d is not None] and len(wanted) <= len(y.shape):
        tail = y.shape[len(y.shape) - len(wanted) :]
        if any(d is not None and d != t for d, t in zip(wanted, tail, strict=True)):
            raise layer.broken(f"output_shape is {printable(shape)} where {list(y.shape)} comes out")
    if axes:
        out = terms[2]
        labels = out[len(out) - len(equation.partition("->")[2].replace(" ", "").replace("...", "")) :]
        if not isinstance(axes, str) or any(c not in labels for c in axes):
            raise layer.broken(f"bias_axes is {printable(axes)}")
        bias_shape = [d if c in axes else 1 for c, d in zip(out[1:], y.shape, strict=True)]
        bias = found["bias"]
        if bias.size != prod(bias_shape):
            raise layer.broken(f"a bias of shape {list(bias.shape)} where {bias_shape} belongs")
        y = layer.node("Add", [y, layer.constant("bias", None, bias.reshape(bias_shape))], y, "biased")
    return activated(layer, y)


def _dot(layer: Layer, inputs: tuple[Tensor, ...]) -> Tensor:
    """Dot: the product of two tensors over one axis of each; nothing else is summed."""
    if len(inputs) != 2:
        raise layer.broken(f"{len(inputs)} inputs where two belong")
    if layer.flag("normalize", False):
        raise layer.fail("Dot with normalize", "put UnitNormalization before it")
    axes = layer.config.get("axes")
    axes = [axes, axes] if isinstance(axes, int) else axes
    if not isinstance(axes, list | tuple) or len(axes) != 2 or any(type(v) is not int for v in axes):
        raise layer.fail(f"Dot over axes {printable(axes)}", "use one axis of each input")
    at = [v if v >= 0 else len(t.shape) + 1 + v for v, t in zip(axes, inputs, strict=True)]
    if any(not 1 <= v <= len(t.shape) for v, t in zip(at, inputs, strict=True)):
        raise layer.fail(f"Dot over axes {printable(axes)}", "use axes behind the batch")
    ranks = [len(t.shape) + 1 for t in inputs]
    left = [LETTERS[i] for i in range(ranks[0])]
    right = ["a", *LETTERS[ranks[0] : ranks[0] + ranks[1] - 1]]
    right[at[1]] = left[at[0]]
    out = "a" + "".join(c for i, c in enumerate(left) if i not in (0, at[0]))
    out += "".join(c for i, c in enumerate(right) if i not in (0, at[1]))
    y = einsum(layer, ("".join(left), "".join(right), out), inputs[0], inputs[1])
    if len(y.shape):
        return y
    return layer.node("Reshape", [y, layer.value("shape", [0, 1], np.int64)], Tensor("", (1,)))


def matmul(layer: Layer, a: Operand, b: Operand) -> Tensor:
    """a b over the last axis of a and the last but one of b; a constant is one matrix, tensors have one rank."""
    ranks = [len(o.shape) + isinstance(o, Tensor) for o in (a, b)]
    tensors = isinstance(a, Tensor) and isinstance(b, Tensor)
    if any(rank < 2 for rank in ranks) or len(b.shape) < 2:
        raise layer.fail("a product with a vector", "use matrices")
    if tensors and (a.shape[:-2] != b.shape[:-2] or ranks[0] != ranks[1] or ranks[0] < 3):
        raise layer.fail("a product of tensors that broadcasts", "use tensors alike before their last two axes")
    if not tensors and any(rank > 2 for rank, o in zip(ranks, (a, b), strict=True) if not isinstance(o, Tensor)):
        raise layer.fail("a product with a constant of several matrices", "use one matrix")
    if a.shape[-1] != b.shape[-2]:
        raise layer.broken(f"a product of shapes {list(a.shape)} and {list(b.shape)}")
    names = [layer.b.last(o).name if isinstance(o, Tensor) else layer.constant("matrix", None, o) for o in (a, b)]
    front = b.shape[:-2] if not isinstance(a, Tensor) else a.shape[:-2]
    rows = a.shape[-2:-1] if len(a.shape) > 1 else ()
    return layer.node("MatMul", names, Tensor("", (*front, *rows, b.shape[-1])))


RULES: Mapping[str, Rule] = MappingProxyType({"EinsumDense": unary(_einsum_dense), "Dot": _dot})
