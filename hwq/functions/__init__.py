"""Scalar functions of codes, correctly rounded: the table of functions, curves made of them, and their steps."""

from __future__ import annotations

from hwq.functions.curve import Applied, Code, Curve, Joined, Scaled, function_names
from hwq.functions.evaluate import Step, codes_of, rational_values
from hwq.functions.function import Function
from hwq.functions.steps import CountStep, CurveSteps, RoundStep
from hwq.functions.table import FUNCTIONS

__all__ = [
    "FUNCTIONS",
    "Applied",
    "Code",
    "CountStep",
    "Curve",
    "CurveSteps",
    "Function",
    "Joined",
    "RoundStep",
    "Scaled",
    "Step",
    "codes_of",
    "function_names",
    "rational_values",
]
