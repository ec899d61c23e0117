"""Round trips: a quantizer's spelling and its config make the same quantizer again, whatever its parameters are."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwq.errors import HwqError
from hwq.quantizers import QUANTIZERS, Quantizer, get_quantizer, quantizer
from test_quantizers_live import DRAWS, own

seeds = st.integers(0, 2**32 - 1)


ONLY_SPELT: dict[str, list[Any]] = {  # arguments that change no value at inference, or only with a seed
    "use_stochastic_rounding": [False, True],
    "use_ste": [True, False],
    "use_variables": [False, True],
    "var_name": [None, "w", "a b", "it's", 'say "x"', "a,b)=[1]"],
    "training": [False, True],
}


def drawn_quantizer(name: str, seed: int) -> Quantizer | None:
    """A random quantizer of a class; None where hwq refuses what was drawn."""
    rng = np.random.default_rng(seed)
    kwargs = DRAWS[name](rng)
    for argument, values in ONLY_SPELT.items():
        if argument in QUANTIZERS[name].__dataclass_fields__ and rng.random() < 0.3:
            kwargs[argument] = values[int(rng.integers(len(values)))]
    if isinstance(kwargs.get("alpha"), float) and rng.random() < 0.5:
        kwargs["alpha"] = float(rng.normal() * 10.0 ** rng.integers(-8, 8))
    case = {"name": name, "kwargs": kwargs}
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


@pytest.mark.parametrize("name", sorted(DRAWS))
def test_most_of_what_is_drawn_is_a_quantizer(name: str) -> None:
    assert sum(drawn_quantizer(name, seed) is not None for seed in range(50)) >= 35


@pytest.mark.parametrize("name", sorted(set(QUANTIZERS) - set(DRAWS)))
def test_functions_are_spelt_by_their_names(name: str) -> None:
    q = quantizer(name)
    assert str(q) == name
    assert quantizer({"class_name": name, "config": q.config}) == q
    assert quantizer({"class_name": name, "registered_name": f"qkeras>{name}", "config": {}}) == q


def test_hswish_takes_the_keys_that_its_config_inherits_at_the_value_that_means_nothing():
    config = {"bits": 8, "integer": 3, "symmetric": 0, "alpha": None, "relu_shift": 3, "relu_upper_bound": 6}
    inherited = {"keep_negative": True, "post_training_scale": None}
    plain = quantizer({"class_name": "quantized_hswish", "config": config})
    assert quantizer({"class_name": "quantized_hswish", "config": {**config, **inherited}}) == plain
    with pytest.raises(HwqError, match="keep_negative"):
        quantizer({"class_name": "quantized_hswish", "config": {**config, "keep_negative": False}})
