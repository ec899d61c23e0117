"""The audit of configurations: a key that no rule reads is refused unless it cannot change what is inferred."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

INERT: Mapping[str, str] = MappingProxyType(
    {
        "name": "labels",
        "trainable": "training",
        "dtype": "checked for every layer: float32 only",
        "autocast": "float32 stays float32",
        "build_config": "shapes, which are computed here",
        "batch_input_shape": "shapes, which are computed here",
        "batch_shape": "shapes, which are computed here",
        "input_dtype": "shapes, which are computed here",
        "shared_object_id": "bookkeeping of the file",
        "initializer": "training",
        "seed": "training",
        "momentum": "training",
        "renorm_momentum": "training",
        "renorm_clipping": "training",
        "synchronized": "training",
        "fused": "how BatchNormalization is run",
        "dropout": "training",
        "rate": "training",
        "noise_shape": "training",
        "folding_mode": "training: inference folds the moving statistics",
        "ema_freeze_delay": "training",
        "ema_decay": "training",
        "quantization_delay": "training",
        "current_step": "training",
        "per_channel": "seen from the weights",
        "flash_attention": "how attention is run",
        "sparse_gradients": "training",
        "kernel_lr_multiplier": "training",
        "bias_lr_multiplier": "training",
    }
)
"""Keys that cannot change the values of inference, and why."""

INERT_ENDINGS: Mapping[str, str] = MappingProxyType(
    {
        "_initializer": "training",
        "_regularizer": "training",
        "_constraint": "training",
        "_range": "training: QKeras' early clipping of weights",
    }
)


class Config(Mapping[str, Any]):
    """A layer's configuration that remembers which of its keys were read."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self.seen: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.seen.add(key)
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def read_all(self) -> None:
        """Count every key as read: for layers that are the identity at inference whatever they hold."""
        self.seen.update(self._values)

    def unread(self) -> list[str]:
        """The keys nobody read that say something and may change values; None and False say nothing."""
        return [key for key, value in self._values.items() if key not in self.seen and not _inert(key, value)]


def _inert(key: str, value: Any) -> bool:
    return value is None or value is False or key in INERT or key.endswith(tuple(INERT_ENDINGS))


def audit_table() -> str:
    """INERT and INERT_ENDINGS as Markdown."""
    lines = ["| key | why it cannot change a value |", "|---|---|"]
    lines += [f"| `{key}` | {why} |" for key, why in sorted(INERT.items())]
    lines += [f"| `...{key}` | {why} |" for key, why in sorted(INERT_ENDINGS.items())]
    return "\n".join(lines)
