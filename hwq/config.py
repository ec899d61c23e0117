"""What a user may choose, from the command line, a YAML file or a dict: one record, checked in one place."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from math import inf
from pathlib import Path
from typing import Any

import yaml

from hwq.errors import SpecError, printable, shown
from hwq.ir.hardware import MEMORIES, Shape
from hwq.ir.names import identifier
from hwq.targets import get_target
from hwq.untrusted import read_yaml

IO_STYLES = ("parallel", "stream")  # arrays between layers, or FIFOs between processes
INTERFACES = ("memory", "fifo", "axis", "axilite")  # of the data ports; memory holds a tensor, the others pass it once
STREAMING = ("fifo", "axis")  # those that FIFOs between processes can end in
CONTROLS = ("pins", "axilite")  # how the block is started, and says that it is done
SEMANTICS = ("real", "ort")  # correctly rounded real functions, or onnxruntime's float32 requantization
MOST_TABLE_BITS = 20
MOST_AXES = 16
EXTENT = re.compile(r"[1-9][0-9]{0,8}")
FOLDINGS = ("reuse", "pe", "simd")
PRODUCTS = ("auto", "adders", "multipliers")  # what sums of products are made of
LAYER_CHOICES = (*FOLDINGS, "memory", "products", "adder_depth")
CLOCKS = (1e-3, 1e6)  # ns
PACES = (1e-9, 1e15)  # samples a second
MOST_REUSE = 1 << 31
COSTS = ("lut", "dsp", "bram", "compare_levels")  # of hwq.passes.costs


@dataclass(frozen=True)
class Config:
    """Choices with their defaults. `layers` maps ONNX node names (wildcards allowed) to per-layer choices."""

    target: str = "vivado"
    io: str = "parallel"
    interface: str = ""  # of the data ports, where the target has a choice; "": memory, or axis of a streaming design
    control: str = "pins"
    reuse: int | None = None  # cycles a position of a layer; None: 1, or more of ops without products that only wait
    target_fps: float = 0  # samples a second that each layer is folded for; 0: folded by `reuse`
    top: str = ""  # "": from the model's name
    part: str = ""  # "": the target's default
    clock: float = 5.0  # ns
    input_types: Mapping[str, str] = field(default_factory=dict)
    output_types: Mapping[str, str] = field(default_factory=dict)
    input_shapes: Mapping[str, Any] = field(
        default_factory=dict
    )  # "1,3,32,32" or its list: axes that a file leaves open
    semantics: str = "real"
    stochastic: int | None = None  # seed of quantizers that draw at random; None: they are refused, or do not draw
    softmax: str = "hardware"  # of a Softmax that ends the model: hardware, argmax, skip or host
    table_bits: int = 16  # widest codes that a function is tabulated over
    costs: Mapping[str, float] = field(default_factory=dict)  # weights for choosing requantizers; see COSTS
    layers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    quantize: Mapping[str, Any] = field(default_factory=dict)  # of a float model; see hwq.models.quantize.plan

    def reuse_of(self, node: str) -> int | None:
        """The reuse factor stated for a node: its first matching entry in `layers`, else that of all."""
        reuse: int | None = self.choices_of(node).get("reuse", self.reuse)
        return reuse

    def choices_of(self, node: str) -> dict[str, Any]:
        """Everything that is stated for a node: of each choice, that of the first entry in `layers` which has it."""
        found: dict[str, Any] = {}
        for pattern, choices in self.layers.items():
            if pattern == node or fnmatch.fnmatchcase(node, pattern):
                found = {**choices, **found}
        return found

    def unmatched(self, nodes: Iterable[str]) -> list[str]:
        """Patterns of `layers` that no node's name matches."""
        names = list(nodes)
        return [p for p in self.layers if p not in names and not fnmatch.filter(names, p)]

    def updated(self, **changes: Any) -> Config:
        """A copy with every change that is not None; mappings are merged."""
        given = {k: v for k, v in changes.items() if v is not None}
        for key in ("input_types", "output_types", "input_shapes", "layers", "costs"):
            if key in given:
                given[key] = {**getattr(self, key), **given[key]}
        return checked(replace(self, **given))

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def load_config(source: Config | Mapping[str, Any] | str | Path | None) -> Config:
    """A Config from a dict, a YAML file's path, or nothing."""
    if source is None:
        return Config()
    if isinstance(source, Config):
        return source
    if isinstance(source, str | Path):
        path = Path(source)
        try:
            source = read_yaml(path)
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(
                f"cannot read config '{path.name}' ({type(error).__name__})", remedy="give a YAML file"
            ) from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f" at line {mark.line + 1}" if mark else ""
            what = getattr(error, "problem", None)
            where += f" ({printable(what, 120)})" if what else ""
            raise SpecError(f"config '{path.name}' is not valid YAML{where}", remedy="check its indentation") from None
        except (RecursionError, ValueError):  # a date that is none, a file too large
            raise SpecError(f"config '{path.name}' holds what YAML cannot", remedy="give a YAML file") from None
        source = {} if source is None else source
    if not isinstance(source, Mapping):
        raise SpecError("the config is no mapping", remedy="write 'key: value' lines")
    known = {f.name for f in fields(Config)}
    keys = {str(k).replace("-", "_"): v for k, v in source.items()}
    keys = {f"{k}s" if k in ("input_type", "output_type", "input_shape") else k: v for k, v in keys.items()}
    unknown = sorted(set(keys) - known)
    if len(keys) < len(source):
        raise SpecError("a config key is given twice, in two spellings", remedy="keep one of them")
    if unknown:
        raise SpecError(f"unknown config key '{unknown[0]}'", remedy="use one of: " + ", ".join(sorted(known)))
    return checked(replace(Config(), **keys))


def checked(config: Config) -> Config:
    """The config itself, if every choice is one that hwq has."""
    for key in ("target", "io", "interface", "control", "top", "part", "semantics"):
        if not isinstance(getattr(config, key), str):
            raise SpecError(f"config '{key}' is {shown(getattr(config, key))}", remedy="write a text")
    get_target(config.target)
    if config.io not in IO_STYLES:
        raise SpecError(f"io style '{config.io}' is not available", remedy="use " + " or ".join(IO_STYLES))
    _check_ports(config)
    if config.semantics not in SEMANTICS:
        raise SpecError(f"semantics '{config.semantics}' are not available", remedy="use " + " or ".join(SEMANTICS))
    for key in ("input_types", "output_types", "input_shapes", "layers", "costs", "quantize"):
        if not isinstance(getattr(config, key), Mapping):
            raise SpecError(f"config '{key}' is no mapping", remedy="write one 'name: value' line per entry")
    for key in ("input_types", "output_types"):
        for name, spec in getattr(config, key).items():
            if not isinstance(name, str) or not isinstance(spec, str):
                raise SpecError(
                    f"config '{key}' holds {shown(name)}: {type(spec).__name__}", remedy="write NAME: 'SPEC'"
                )
    for name, stated in config.input_shapes.items():
        shape_of_text(name, stated)
    _check_numbers(config)
    _check_pipeline(config)
    if config.part and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,79}", config.part):
        raise SpecError(f"part '{config.part}' is no device name", remedy="write one such as xc7z020clg400-1")
    if config.top and config.top != identifier_like(config.top):
        raise SpecError(f"top name '{config.top}' is no C identifier", remedy=f"use '{identifier(config.top, 'net')}'")
    return config


def shape_of_text(name: Any, stated: Any) -> Shape:
    """Extents from "1,3,32,32" or [1, 3, 32, 32]. Raises `SpecError` unless all are positive integers."""
    parts = stated.split(",") if isinstance(stated, str) else stated if isinstance(stated, list | tuple) else [stated]
    texts = [str(part).strip() for part in parts]
    if not isinstance(name, str) or len(texts) > MOST_AXES or not all(EXTENT.fullmatch(text) for text in texts):
        raise SpecError(
            f"input shape {printable(stated)} of '{printable(name)}'", remedy="write its extents: NAME=1,3,32,32"
        )
    return tuple(int(text) for text in texts)


def _check_pipeline(config: Config) -> None:
    """What is written as one pipeline is neither folded nor streamed."""
    if get_target(config.target).delays is None:
        return
    elsewhere = "use target vivado, vitis or catapult"
    if config.io == "stream":
        raise SpecError(f"--io stream with target {config.target}", remedy=f"use --io parallel, or {elsewhere[4:]}")
    stated = ["reuse"] if config.reuse not in (None, 1) else []
    stated += ["target_fps"] if config.target_fps else []
    stated += [f"{key} of layer '{p}'" for p, choices in config.layers.items() for key in choices]
    if stated:
        raise SpecError(
            f"{stated[0]} with target {config.target}, where every product has a circuit of its own",
            remedy=f"leave it out, or {elsewhere}",
        )


def _check_ports(config: Config) -> None:
    """Interfaces are ones that the target has, and that the io style can feed."""
    target = get_target(config.target)
    if config.interface and config.interface not in INTERFACES:
        raise SpecError(f"interface '{config.interface}' is not available", remedy="use " + ", ".join(INTERFACES))
    if config.control not in CONTROLS:
        raise SpecError(f"control '{config.control}' is not available", remedy="use " + " or ".join(CONTROLS))
    if config.io == "stream" and config.interface not in ("", *STREAMING):
        raise SpecError(
            f"interface '{config.interface}' of a design that streams", remedy="use " + " or ".join(STREAMING)
        )
    for what, chosen, known in (
        ("interface", config.interface, target.interfaces),
        ("control", "" if config.control == "pins" else config.control, target.controls),
    ):
        if chosen and chosen not in known:
            raise SpecError(
                f"{what} '{chosen}' for target '{target.name}'",
                remedy="use target vivado or vitis; Catapult's interfaces are mapped in go.tcl, C++ has none",
            )


def _check_numbers(config: Config) -> None:
    """Reuse factors are positive integers, the clock period is a positive number, costs are not negative."""
    for name, weight in config.costs.items():
        if name not in COSTS:
            raise SpecError(f"unknown cost '{name}'", remedy="use " + ", ".join(COSTS))
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < inf:
            raise SpecError(f"config cost '{name}' is {shown(weight)}", remedy="use a number from 0 on")
    numbers: list[tuple[str, Any, type | tuple[type, ...], float, float]] = [
        ("clock", config.clock, (int, float), *CLOCKS),
    ]
    if config.reuse is not None:
        numbers.append(("reuse", config.reuse, int, 1, MOST_REUSE))
    for pattern, choices in config.layers.items():
        if not isinstance(pattern, str) or not isinstance(choices, Mapping) or set(choices) - set(LAYER_CHOICES):
            raise SpecError(
                f"config of layer '{pattern}' has unknown choices", remedy="use " + ", ".join(LAYER_CHOICES)
            )
        numbers += [
            (f"{key} of layer '{pattern}'", choices[key], int, 1, MOST_REUSE)
            for key in (*FOLDINGS, "adder_depth")
            if key in choices
        ]
        if choices.get("memory", "auto") not in MEMORIES:
            raise SpecError(
                f"memory of layer '{pattern}' is {shown(choices['memory'])}", remedy="use " + ", ".join(MEMORIES)
            )
        if choices.get("products", "auto") not in PRODUCTS:
            raise SpecError(
                f"products of layer '{pattern}' are {shown(choices['products'])}", remedy="use " + ", ".join(PRODUCTS)
            )
    seed = config.stochastic
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 1 << 32):
        raise SpecError(
            f"config stochastic is {shown(seed)}", remedy="use a seed from 0 to 4294967295, or leave it out"
        )
    bits = config.table_bits
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= MOST_TABLE_BITS:
        raise SpecError(f"config table_bits is {shown(bits)}", remedy=f"use an integer from 1 to {MOST_TABLE_BITS}")
    if config.target_fps != 0:
        numbers.append(("target_fps", config.target_fps, (int, float), *PACES))
    for label, value, kind, least, most in numbers:
        if isinstance(value, bool) or not isinstance(value, kind) or not _within(value, least, most):
            raise SpecError(f"config {label} is {shown(value)}", remedy=f"use a number from {least:g} to {most:g}")


def _within(value: Any, least: float, most: float) -> bool:
    return bool(least <= value <= most)


def identifier_like(name: str) -> str:
    """The name, where C++ accepts it as it is and no keyword or type is called so; else an identifier near it."""
    clean = identifier(name)
    return name if name.isidentifier() and name.isascii() and clean == name.lower().strip("_") else clean
