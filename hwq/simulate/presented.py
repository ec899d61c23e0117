"""Results as the user sees them: by output name, constants among them, in batches as the inputs came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hwq.ir.hardware import Graph

Arrays = Mapping[str, npt.NDArray[Any]]


def presented(graph: Graph, x: Any, results: Arrays) -> Any:
    """The only output as an array, several as a dict by name. An output that is constant is repeated for each sample.

    Where the file's inputs hold a batch and x is (runs, batch, ...), so are the results.
    """
    samples = next(iter(results.values())).shape[0]
    named = dict(results)
    for name, values in graph.constants.items():
        inner = values.shape[1:] if values.shape[:1] == (1,) else values.shape
        named[name] = np.broadcast_to(values.reshape(inner), (samples, *inner))
    if graph.batch > 1 and _in_runs(graph, x):
        runs = samples // graph.batch
        named = {name: y.reshape(runs, graph.batch, *y.shape[1:]) for name, y in named.items()}
    return next(iter(named.values())) if len(named) == 1 else named


def _in_runs(graph: Graph, x: Any) -> bool:
    """Whether the data have an axis of runs before the batch that the file states."""
    port = graph.inputs[0]
    shape = np.shape(x[port.source] if isinstance(x, Mapping) else x)
    edge = graph.edges[port.edge].shape
    return len(shape) == len(edge) + 1 and shape[1:] == (graph.batch * edge[0], *edge[1:])
