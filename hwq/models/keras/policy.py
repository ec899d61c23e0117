"""Dtype policies: float32 throughout, or refused by the policy's name. Keras' own quantization is among the others."""

from __future__ import annotations

from typing import Any

from hwq.errors import UnsupportedError, printable

QUANTIZED = ("int4", "int8", "float8", "gptq", "awq")
MAX_DEPTH = 8
INPUT_DTYPES = ("float32", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64")


def policy_name(policy: Any) -> str | None:
    """The name of a dtype policy as Keras spells it, however it is serialized; None where none is stated."""
    for _ in range(MAX_DEPTH):
        if not isinstance(policy, dict):
            break
        config = policy.get("config")
        if not isinstance(config, dict):
            return str(policy.get("class_name", "of no known form"))
        if config.get("mode") is not None:
            return f"{config['mode']}_from_{config.get('source_name')}"
        if policy.get("class_name") == "DTypePolicyMap" or "name" not in config:
            return str(policy.get("class_name", "of no known form"))
        policy = config["name"]
    return None if policy is None else str(policy)


def check_policy(policy: Any, name: str, kind: str) -> None:
    """Refuse every policy but float32: under others integers stand for weights, or results are rounded."""
    found = policy_name(policy)
    if found in (None, "float32"):
        return
    remedy = "save the model with the dtype policy float32"
    if found.lower().startswith(QUANTIZED):
        remedy = "save the model as it was before model.quantize; then hwq config quantizes it"
    raise UnsupportedError(f"the dtype policy '{printable(found)}'", node=name, op=kind, remedy=remedy)
