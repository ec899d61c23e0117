"""Worker processes with limits of time and memory, that compile damaged models, run them and compare what they give."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

CPU_SECONDS = 20.0  # of one model
WALL_SECONDS = 150.0  # after which a worker that does not listen is killed
MEMORY = 2 << 30  # bytes beyond what a worker takes before the first model
SAMPLES = 6
LONGEST_MESSAGE = 1000
ORT_DOMAINS = frozenset({"", "ai.onnx", "com.microsoft", "local"})
DRAWN = frozenset({1, 2, 3, 4, 5, 6, 9, 11})  # element types of inputs whose values samples can be
LEAST_NORMAL = 2.0**-126
FINE = frozenset({"refused", "compiled", "equal", "not compared"})


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: one of `FINE`, or a finding with all that is known of it."""

    index: int
    label: str
    kind: str
    text: str
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"#{self.index} {self.label}: {self.kind}: {self.text}"


class TookTooLong(BaseException):
    """The alarm of `CPU_SECONDS`."""


def _alarm(*_: Any) -> None:
    raise TookTooLong


def worked(
    mutants: Sequence[tuple[str, bytes]],
    workers: int,
    *,
    seconds: float = CPU_SECONDS,
    fault: str = "",
    seen: Callable[[Outcome], object] = lambda outcome: None,
) -> list[Outcome]:
    """The outcomes of all mutants, in order; `fault` is what goes wrong in each on purpose (see `_broken`).

    `seen` is called with each outcome as it comes.
    """
    todo: Iterator[tuple[int, tuple[str, bytes]]] = iter(list(enumerate(mutants)))
    lock, found = threading.Lock(), []

    def serve() -> None:
        worker = None
        while True:
            with lock:
                job = next(todo, None)
            if job is None:
                break
            worker = worker if worker is not None and worker.alive() else _Worker(seconds, fault)
            outcome = worker.outcome(job[0], *job[1])
            seen(outcome)
            found.append(outcome)
        if worker is not None:
            worker.kill()

    threads = [threading.Thread(target=serve) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(found, key=lambda o: o.index)


class _Worker:
    """A process that takes one mutant after the other."""

    def __init__(self, seconds: float, fault: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, far = context.Pipe()
        self.process = context.Process(target=_work, args=(far, seconds, fault), daemon=True)
        self.process.start()
        far.close()

    def alive(self) -> bool:
        return self.process.is_alive()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def outcome(self, index: int, label: str, data: bytes) -> Outcome:
        """One mutant's; a worker that ends or says nothing is replaced."""
        kind, text, seconds = "died", "the worker ended", 0.0
        try:
            self.pipe.send(data)
            while True:
                if not self.pipe.poll(WALL_SECONDS):
                    kind, text = ("hang", "no answer") if kind == "died" else (kind, text)
                    break
                stage, kind, text, seconds = self.pipe.recv()
                if stage == "end":
                    return Outcome(index, label, kind, text, seconds)
        except (EOFError, OSError):  # in the second stage it is onnxruntime that ends
            pass
        self.kill()
        return Outcome(index, label, "not compared" if kind == "compiled" else kind, text, seconds)


def _work(pipe: Connection, seconds: float, fault: str) -> None:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    import onnxruntime

    import hwq.check.reference  # all that is imported does not count

    onnxruntime.set_default_logger_severity(4)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.dup2(null, 1)
    signal.signal(signal.SIGPROF, _alarm)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    del hwq
    folder = Path(tempfile.mkdtemp(prefix="mutant-"))
    (folder / "w.bin").write_bytes(bytes(range(256)) * 4)
    with contextlib.suppress(OSError):
        (folder / "loop").symlink_to("loop")
        os.mkfifo(folder / "fifo")
    while True:
        try:
            data = pipe.recv()
        except EOFError:
            sys.exit()
        (folder / "model.onnx").write_bytes(data)
        kind, text, took, design = _compiled(folder / "model.onnx", seconds, fault)
        if design is None:
            pipe.send(("end", kind, text, took))
            continue
        pipe.send(("half", kind, text, took))
        pipe.send(("end", *_compared(design, seconds), took))


def _broken(fault: str, design: Any) -> None:
    """What a worker has to notice."""
    if fault == "crash":
        raise ZeroDivisionError
    if fault == "warning":
        warnings.warn("leaked", RuntimeWarning, stacklevel=1)
    if fault == "memory":
        bytearray(MEMORY)
    if fault == "died":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "different":
        design.reference = lambda *_, **__: _Unequal()
    while fault == "hang":
        pass


class _Unequal:
    """A comparison that failed."""

    def __bool__(self) -> bool:
        return False

    def text(self, name: str) -> str:
        return f"UNEXPLAINED: {name}"


def _compiled(path: Path, seconds: float, fault: str) -> tuple[str, str, float, Any]:
    """Compile, simulate and render one model, within the limits."""
    import hwq
    from hwq.codegen.vectors import random_inputs
    from hwq.errors import HwqError

    design, started = None, resource.getrusage(resource.RUSAGE_SELF).ru_utime
    signal.setitimer(signal.ITIMER_PROF, seconds)
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        try:
            design = hwq.compile(path)
            _broken(fault, design)
            design.simulate(random_inputs(design.graph, SAMPLES))
            design.render()
            kind, text = "compiled", ""
        except HwqError as error:
            kind, text = _judged(error)
        except TookTooLong:
            kind, text = "hang", traceback.format_exc()[-2500:]
        except MemoryError:
            kind, text = "memory", traceback.format_exc()[-2500:]
        except BaseException:
            kind, text = "crash", traceback.format_exc()[-2500:]
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    took = resource.getrusage(resource.RUSAGE_SELF).ru_utime - started
    if leaked and kind in FINE:
        first = leaked[0]
        kind, text = "warning", f"{first.filename}:{first.lineno}: {first.message}"
    return kind, text, took, design if kind == "compiled" else None


def _judged(error: Any) -> tuple[str, str]:
    """Whether a refusal is one that a user can act on."""
    text = str(error)
    if type(error).__name__ == "InternalError":
        return "crash", traceback.format_exc()[-2500:]
    if not error.remedy:
        return "no remedy", text
    if "\n" in text or not text.isprintable() or len(text) > LONGEST_MESSAGE:
        return "bad message", repr(text[:2000])
    return "refused", text


def _compared(design: Any, seconds: float) -> tuple[str, str]:
    """The design's values beside another executor's, where that takes the model."""
    import onnx

    from hwq.check.executors import guarded
    from hwq.errors import HwqError

    model = onnx.load_from_string(design.model)
    if any(port.type.tensor_type.elem_type not in DRAWN for port in model.graph.input):
        return "not compared", "samples are drawn as reals, which its input does not hold"
    if any(0 < abs(v) < LEAST_NORMAL for v in _floats(model)) or _divides_by_zero(model):
        return "not compared", "what it computes is no float32"
    ort = all(n.domain in ORT_DOMAINS for n in model.graph.node)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if ort:
                compared = design.reference("onnxruntime", samples=SAMPLES)
            else:
                compared = design.reference("onnx", samples=SAMPLES, executor=guarded("onnx", _reference))
    except (HwqError, TookTooLong, MemoryError) as error:
        return "not compared", str(error)
    except BaseException:
        return "crash in the comparison", traceback.format_exc()[-2500:]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return ("equal", "") if compared else ("different", compared.text(design.name))


def _floats(model: Any) -> Iterator[float]:
    """Every float32 constant of a model."""
    from onnx import numpy_helper

    for node in model.graph.node:
        for attribute in node.attribute:
            yield from (attribute.f, *attribute.floats)
    for tensor in model.graph.initializer:
        if tensor.data_type == 1:
            yield from numpy_helper.to_array(tensor).reshape(-1).tolist()


def _divides_by_zero(model: Any) -> bool:
    """Whether a normalization has nothing under its root but the variance, which may be 0."""
    epsilons = (a.f for n in model.graph.node for a in n.attribute if a.name == "epsilon")
    return any(not value > 0 for value in epsilons)


def _reference(model: Any, wanted: Sequence[str]) -> Any:
    from onnx.reference import ReferenceEvaluator

    from hwq.models import qkeras_domain, qonnx_domain

    version = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    if version < 14 and any(n.op_type == "BatchNormalization" for n in model.graph.node):
        raise NotImplementedError("the onnx package runs BatchNormalization before opset 14 in training mode")
    evaluator = ReferenceEvaluator(model, new_ops=[*qkeras_domain.reference_ops(), *qonnx_domain.reference_ops()])
    return lambda arrays: list(evaluator.run(list(wanted), dict(arrays)))
