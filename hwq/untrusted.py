"""YAML and JSON of untrusted files: bounded before anything large is built, nested no deeper than code can follow.

YAML 1.1 without tags; an alias stands for a copy of its anchor, and all copies together are few.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

MOST_YAML = 1 << 19  # bytes
MOST_COPIES = 10_000  # nodes that aliases stand for, beyond those that are written
MOST_DEPTH_YAML, MOST_DEPTH_JSON = 32, 256
MOST_DIGITS = 100


class _Loader(yaml.SafeLoader):
    """Plain YAML without tags, in which no key may be given twice."""

    depth = 0
    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """One node more, unless it lies too deep."""
        if self.depth >= MOST_DEPTH_YAML:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=self.get_mark())
        self.depth += 1
        self.nodes += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A dict, unless a key of plain text repeats."""
        keys: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in keys:
                    raise yaml.MarkedYAMLError(problem=f"key '{key.value}' twice", problem_mark=key.start_mark)
                keys.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> Any:
        """An integer of a plausible length."""
        if len(node.value) > MOST_DIGITS:
            raise yaml.MarkedYAMLError(problem="an absurd number", problem_mark=node.start_mark)
        return super().construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def read_yaml(path: Path) -> Any:
    """The one document of a YAML file, None where it is empty. Raises `OSError`, `ValueError` or `yaml.YAMLError`."""
    if not path.is_file():
        raise FileNotFoundError
    with path.open("rb") as file:
        data = file.read(MOST_YAML + 1)
    if len(data) > MOST_YAML:
        raise ValueError(f"more than {MOST_YAML} bytes")
    loader = _Loader(data.decode("utf-8"))
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _expanded(node, {}) > loader.nodes + MOST_COPIES:
            raise yaml.MarkedYAMLError(problem="aliases that stand for too much", problem_mark=node.start_mark)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _expanded(node: yaml.Node, known: dict[int, int]) -> int:
    """How many nodes a tree has with each alias written out."""
    if id(node) not in known:
        known[id(node)] = 0
        inner = [n for v in node.value for n in (v if isinstance(v, tuple) else (v,))]
        known[id(node)] = 1 + sum(_expanded(n, known) for n in inner if isinstance(n, yaml.Node))
    elif not known[id(node)]:
        raise yaml.MarkedYAMLError(problem="an alias within its own anchor", problem_mark=node.start_mark)
    return known[id(node)]


def read_json(data: bytes | str) -> Any:
    """A JSON document. Raises `ValueError` where it is none, or is nested too deeply."""
    try:
        value = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    layer, depth = [value], 0
    while layer:
        depth += 1
        if depth > MOST_DEPTH_JSON:
            raise ValueError("nested too deeply")
        layer = [
            inner
            for outer in layer
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return value
