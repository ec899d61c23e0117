"""The domain `qkeras`: constants become codes with exact scales, activations the real ops that say what they compute.

Whatever a quantizer's hard form is, it is an affine map and one rounding; real sigmoids, hard swish and powers of two
are functions that a table or thresholds will hold. stochastic_* behave as they do at inference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np

from hwq import real
from hwq.constants import Coded
from hwq.exact import Rationals, elementwise, rationals, scalar
from hwq.fixed import Rounding, pow2
from hwq.frontends.call import Call, Rule, Signal, Value
from hwq.onnx_ops import quantizer_of
from hwq.quantizers import QUANTIZERS, Quantizer
from hwq.quantizers.binary import BinaryQuantizer
from hwq.quantizers.bits import BitsQuantizer
from hwq.quantizers.functions import BinarySigmoid, Function
from hwq.quantizers.hswish import QuantizedHswish
from hwq.quantizers.linear import QuantizedLinear
from hwq.quantizers.po2 import Po2Quantizer
from hwq.quantizers.relu import QuantizedRelu
from hwq.quantizers.sigmoid import QuantizedSigmoid, QuantizedTanh
from hwq.quantizers.smooth import SLOPES
from hwq.quantizers.ternary import TernaryQuantizer
from hwq.quantizers.ulaw import QuantizedUlaw

MAX_SPAN = 28  # binary places from the least to the greatest power of two of one tensor
