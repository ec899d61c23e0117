"""Other people's executors of ONNX models: what they compute in float32, tensor by tensor, sample by sample."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from hwq.errors import HwqError, ToolError, printable

Arrays = Mapping[str, npt.NDArray[Any]]
Session = Callable[[Arrays], Sequence[npt.NDArray[Any]]]
"""Takes one sample by input name, and returns the tensors that were asked for."""
Executor = Callable[[onnx.ModelProto, Sequence[str]], Session]
"""Makes a session of a model and of the names of tensors that are wanted, all of which are outputs of the model."""

NEWER_OPSET = 21  # what the onnx package's reference is given of a model whose own opset it cannot run


def _module(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ToolError(
            f"{package} is not installed", remedy=f"pip install {package}, or choose another --reference"
        ) from None


def run_onnxruntime(model: onnx.ModelProto, wanted: Sequence[str]) -> Session:
    """onnxruntime on the processor, its graph optimizations disabled: the kernels of the nodes as they stand."""
    ort = _module("onnxruntime", "onnxruntime")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda arrays: list(session.run(list(wanted), dict(arrays)))


def run_onnx(model: onnx.ModelProto, wanted: Sequence[str]) -> Session:
    """The reference implementation of the onnx package, which lacks older forms of some ops."""
    reference = _module("onnx.reference", "onnx")
    try:
        evaluator = reference.ReferenceEvaluator(model)
    except (RuntimeError, NotImplementedError):
        newer = _module("onnx.version_converter", "onnx").convert_version(model, NEWER_OPSET)
        evaluator = reference.ReferenceEvaluator(newer)
    return lambda arrays: list(evaluator.run(list(wanted), dict(arrays)))


def run_qonnx(model: onnx.ModelProto, wanted: Sequence[str]) -> Session:
    """qonnx's node-by-node execution, which knows Quant, BipolarQuant, Trunc and MultiThreshold."""
    wrapper = _module("qonnx.core.modelwrapper", "qonnx").ModelWrapper
    execution = _module("qonnx.core.onnx_exec", "qonnx")
    shapes = _module("qonnx.transformation.infer_shapes", "qonnx")
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    del plain.graph.output[:]
    plain.graph.output.extend(o for o in model.graph.output if o.type.HasField("tensor_type"))
    wrapped = wrapper(plain).transform(shapes.InferShapes())

    def run(arrays: Arrays) -> list[npt.NDArray[Any]]:
        context = execution.execute_onnx(wrapped, dict(arrays), return_full_exec_context=True)
        return [np.asarray(context[name]) for name in wanted]

    return run


EXECUTORS: Mapping[str, Executor] = MappingProxyType(
    {"onnxruntime": run_onnxruntime, "qonnx": run_qonnx, "onnx": run_onnx}
)


def guarded(name: str, executor: Executor) -> Executor:
    """The same executor; whatever it raises becomes one line that names it."""

    def refused(error: Exception) -> ToolError:
        found = f"{name} cannot run this model ({type(error).__name__}: {printable(error, 160)})"
        return ToolError(found, remedy="choose another --reference: qonnx runs Quant nodes, onnxruntime QDQ models")

    def make(model: onnx.ModelProto, wanted: Sequence[str]) -> Session:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                session = executor(model, wanted)
        except HwqError:
            raise
        except Exception as error:  # anything at all: it is another program's
            raise refused(error) from None

        def run(arrays: Arrays) -> Sequence[npt.NDArray[Any]]:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    return session(arrays)
            except Exception as error:
                raise refused(error) from None

        return run

    return make


def exposed(model: onnx.ModelProto, wanted: Sequence[str]) -> onnx.ModelProto:
    """A copy of the model of which every wanted tensor is an output."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    have = {o.name for o in copy.graph.output}
    copy.graph.output.extend(onnx.ValueInfoProto(name=n) for n in wanted if n not in have)
    return copy


def evaluated(
    executor: Executor, model: onnx.ModelProto, inputs: Arrays, wanted: Sequence[str], batch: int = 1
) -> dict[str, npt.NDArray[np.float64]]:
    """(samples, elements) of every wanted tensor; inputs are (samples, *shape of one sample).

    `batch`: the samples that the model takes at once, one behind another along the leading axis.
    """
    session = executor(exposed(model, wanted), wanted)
    kinds = {i.name: onnx.helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type) for i in model.graph.input}
    count = min(a.shape[0] for a in inputs.values())
    rows: list[list[npt.NDArray[np.float64]]] = [[] for _ in wanted]
    for s in range(0, count, batch):
        at = np.minimum(np.arange(s, s + batch), count - 1)
        feed = {
            name: a[at].reshape(batch * a.shape[1], *a.shape[2:]) if batch > 1 else a[s] for name, a in inputs.items()
        }
        results = session({name: np.asarray(a, dtype=kinds[name]) for name, a in feed.items()})
        for name, row, result in zip(wanted, rows, results, strict=True):
            values = np.asarray(result, dtype=np.float64)
            if values.size % batch or (row and row[0].size != values.size // batch):
                raise ToolError(
                    f"tensor '{printable(name)}' is {list(values.shape)} for {batch} samples in the other executor",
                    remedy="export the model with a fixed batch of 1",
                )
            row.extend(values.reshape(batch, -1))
    return {name: np.stack(row[:count]) for name, row in zip(wanted, rows, strict=True)}
