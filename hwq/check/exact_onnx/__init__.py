"""A second reading of ONNX: every op evaluated in exact fractions, straight from the file and the op texts.

It shares no code with frontends, passes, ops or functions: numpy, onnx's protobuf parsing, fractions and mpmath only.
"""

from hwq.check.exact_onnx.evaluator import TABLE, Evaluator, Known
from hwq.check.exact_onnx.node import Unknown
from hwq.check.exact_onnx.tensor import Exact, Undecided

__all__ = ["TABLE", "Evaluator", "Exact", "Known", "Undecided", "Unknown"]
