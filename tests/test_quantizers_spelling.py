"""Round trips: a quantizer's spelling and its config make the same quantizer again, whatever its parameters are."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwq.errors import HwqError
from hwq.quantizers import QUANTIZERS, Quantizer, get_quantizer, quantizer
from test_quantizers_live import DRAWS, own

seeds = st.integers(0, 2**32 - 1)


def drawn_quantizer(name: str, seed: int) -> Quantizer | None:
    """A random quantizer of a class; None where hwq refuses what was drawn."""
    rng = np.random.default_rng(seed)
    case = {"name": name, "kwargs": DRAWS[name](rng)}
    if "internal_sigmoid" in QUANTIZERS[name].__dataclass_fields__:
        case["internal_sigmoid"] = ["hard", "smooth", "real"][int(rng.integers(3))]
    try:
        return own(case)
    except HwqError:
        return None


@pytest.mark.parametrize("name", sorted(DRAWS))
@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_spellings_and_configs_make_the_same_quantizer_again(name: str, seed: int) -> None:
    q = drawn_quantizer(name, seed)
    if q is None:
        return
    assert quantizer(str(q)) == q
    config = json.loads(json.dumps(q.config))
    for again in (
        quantizer({"class_name": name, "config": config}),
        quantizer({"class_name": f"qkeras>{name}", "registered_name": f"qkeras>{name}", "config": config}),
        quantizer(name, **config),
        get_quantizer(str(q)),
    ):
        assert again == q
        assert again.config == q.config
        assert str(again) == str(q)
