"""The Python face: compile a model, simulate it, export it, verify what was exported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy.typing as npt
from onnx import ModelProto

import hwq
from hwq.analysis.resources import estimated
from hwq.analysis.tables import TensorInfo, input_infos, layer_rows, output_infos, port_record, weights_digest
from hwq.analysis.throughput import paced
from hwq.build.emulator import Emulator, emulator_of
from hwq.check.exact_samples import Exactly, exactly
from hwq.check.executors import Executor
from hwq.check.prove import Proved, prove_sources
from hwq.check.reference import Compared, compare
from hwq.check.verify import Result, verify_sources
from hwq.check.verify_rtl import verify_rtl
from hwq.codegen.arrays import Settings, render
from hwq.codegen.c_api import c_face, host_converts
from hwq.codegen.project import MANIFEST, files_digest, recovered, write_files
from hwq.codegen.rtl.pipeline import Pipeline, pipeline_of
from hwq.codegen.rtl.project import render_rtl, rtl_record, rtl_vectors
from hwq.codegen.streams import render_stream, stream_record
from hwq.codegen.vectors import random_inputs, vector_files, vector_samples
from hwq.config import Config, load_config, shape_of_text
from hwq.errors import HwqError, SpecError
from hwq.frontends.loading import Source, load_file, load_model, self_contained
from hwq.frontends.onnx import read_model
from hwq.ir.hardware import Graph
from hwq.ir.names import identifier
from hwq.ir.real import InputType, RealGraph
from hwq.models.keras import convert, is_keras_file
from hwq.models.quantize import quantized, read_plan
from hwq.passes import Choice, Costs, Options, Stages, compile_graph, meaning, stages
from hwq.quantizers import type_spec
from hwq.simulate.presented import presented
from hwq.simulate.simulator import Simulator, decode, outer_shape
from hwq.targets import ALL_TARGETS, HLS_TARGETS, Target, get_target
from hwq.untrusted import read_json

Stage = Callable[[str], None]


def _silent(label: str) -> None:
    """Progress that nobody watches."""


class Design:
    """A compiled model: what it computes is fixed to the bit."""

    def __init__(self, graph: Graph, config: Config, model: bytes, floating: ModelProto | None = None) -> None:
        self.graph = graph
        self.config = config
        self.model = model
        self.floating = floating  # the float model that a plan of quantizers was put into

    @property
    def name(self) -> str:
        return self.graph.name

    @property
    def notes(self) -> tuple[str, ...]:
        """How the file was read where it could be read otherwise, a sentence each."""
        return self.graph.notes

    @cached_property
    def inputs(self) -> tuple[TensorInfo, ...]:
        return input_infos(self.graph)

    @cached_property
    def outputs(self) -> tuple[TensorInfo, ...]:
        return output_infos(self.graph)

    @cached_property
    def _simulator(self) -> Simulator:
        return Simulator(self.graph)

    def simulate(self, x: Any, codes: bool = False) -> Any:
        """Integer simulation of a batch: float64 values, or int64 codes.

        `x`: (batch, ...) array, or {input name: array}. One output gives an array, several a dict by output name.
        Outputs that are constants come as their values, for each sample.
        """
        simulator = self._simulator
        edges = simulator.evaluate(x, lean=not codes)
        results: dict[str, npt.NDArray[Any]] = {}
        for port in self.graph.outputs:
            edge, out = self.graph.edges[port.edge], edges[port.edge]
            results[port.name] = out.reshape(outer_shape(edge, out)) if codes else decode(port, edge, out)
        return presented(self.graph, x, results)

    def emulator(self, *, stage: Stage = _silent) -> Emulator:
        """The native build as a function: `emu(x)` and `emu(x, codes=True)` equal `simulate`, at machine speed.

        Built once per design and kept in the build cache ($XDG_CACHE_HOME/hwq).
        """
        return emulator_of(self._simulator, self.settings(), stage)

    def settings(self) -> Settings:
        target = get_target(self.config.target)
        return Settings(
            top=self.config.top or identifier(self.graph.name, "net"),
            part=self.config.part or target.default_part,
            clock=self.config.clock,
            version=hwq.__version__,
            semantics=self.config.semantics,
            io=self.config.io,
            interface=self.config.interface or ("axis" if self.config.io == "stream" or target.delays else "memory"),
            control=self.config.control,
        )

    def render(self) -> dict[str, bytes]:
        """All files of the project, in memory; the manifest holds the digest of the rest."""
        return self._rendered()[0]

    def _rendered(self) -> tuple[dict[str, bytes], str]:
        """The files, and the digest that the manifest holds."""
        target, settings = get_target(self.config.target), self.settings()
        if self.pipeline is not None:
            files = render_rtl(self.graph, target, settings, self.pipeline, vector_samples(self.graph))
        else:
            text = render_stream if self.config.io == "stream" else render
            files = text(self.graph, target, settings)
        if target.c_face and self.config.io == "parallel":
            face = c_face(self.graph, settings.top, host_converts(self.graph))
            files.update({f"src/{name}": text.encode() for name, text in face.items()})
        files.update(self._vectors())
        files["model/model.onnx"] = self.model
        digest = files_digest(files)
        manifest = {
            "hwq": hwq.__version__,
            "model": self.graph.name,
            "target": target.name,
            "top": settings.top,
            "semantics": settings.semantics,
            "config": self.config.plain(),
            "weights_digest": self.weights_digest(),
            "digest": digest,
            "files": sorted(files),
            "inputs": [port_record(i) for i in self.inputs],
            "outputs": [port_record(o) for o in self.outputs],
            "estimate": self.estimate(),
            "layers": list(self.rows()),
            **self.remarks(),
            **(stream_record(self.graph, settings.top) if self.config.io == "stream" else {}),
            **(rtl_record(self.graph, settings.top, self.pipeline) if self.pipeline is not None else {}),
        }
        files[MANIFEST] = (json.dumps(manifest, indent=1) + "\n").encode()
        return files, digest

    def remarks(self) -> dict[str, Any]:
        """What only some designs have to say of themselves, for JSON: notes, constant outputs, the file's batch."""
        constants = {name: values.tolist() for name, values in self.graph.constants.items()}
        remarks = {"notes": list(self.notes), "constants": constants, "batch": self.graph.batch}
        return {key: value for key, value in remarks.items() if value not in ([], {}, 1)}

    def _vectors(self) -> dict[str, bytes]:
        simulator = self._simulator
        inputs = simulator.quantized(random_inputs(self.graph, vector_samples(self.graph)))
        edges = simulator.run(inputs)
        return (vector_files if self.pipeline is None else rtl_vectors)(
            self.graph, self.settings().top, {**inputs, **edges}
        )

    @cached_property
    def pipeline(self) -> Pipeline | None:
        """Every layer's circuit and the stage that it is in, where the target is of RTL."""
        delays = get_target(self.config.target).delays
        return None if delays is None else pipeline_of(self.graph, delays, self.config.clock)

    def reference(
        self,
        name: str,
        x: Any = None,
        *,
        samples: int = 100,
        seed: int = 0,
        executor: Executor | None = None,
        stage: Stage = _silent,
    ) -> Compared:
        """Compare values with another executor (onnxruntime, qonnx, onnx), and explain every difference.

        `executor` takes the place of the one that `name` says. Real inputs are rounded to float32 first.
        """
        for given, what in ((self.config.output_types, "output types"), (self.config.softmax != "hardware", "softmax")):
            if given:
                raise SpecError(f"--reference with {what} of its own", remedy="compile the model as it is")
        if self.graph.draws:
            raise SpecError("--reference of what draws at random", remedy="leave out --stochastic")
        if self.config.semantics != "real":
            raise SpecError("--reference explains exact rounding", remedy="use --semantics real")
        data = random_inputs(self.graph, samples, seed) if x is None else x
        stage(f"running {name}")
        return compare(name, load_model(self.model)[0], self.meaning(), self.graph, data, executor)

    def exactly(self, x: Any = None, *, samples: int = 4, seed: int = 0) -> Exactly:
        """Compare the simulator's values with the model's own, by a second reading of the file in exact fractions.

        Without `x`: all inputs least, all greatest, all zero, and random ones.
        """
        if self.config.semantics != "real":
            return Exactly(0, 0, 0, 0, None, 0, (f"--semantics {self.config.semantics} is not exact rounding",))
        return exactly(load_model(self.model)[0], self.meaning(), self.graph, x, samples=samples, seed=seed)

    def meaning(self) -> RealGraph:
        """The real graph, read again from the model."""
        return meaning(_read(*load_model(self.model), self.config), _options(self.config))

    def stages(self) -> Stages:
        """The passes of this compilation once more, with what they keep to themselves."""
        return stages(_read(*load_model(self.model), self.config), _options(self.config))

    def weights_digest(self) -> str:
        """SHA-256 over every ROM, the same for every target."""
        return weights_digest(self.graph)

    def rows(self) -> Iterator[dict[str, Any]]:
        """One record per layer: node, kernel, types, ranges, cost."""
        return layer_rows(self.graph)

    def estimate(self) -> dict[str, Any]:
        """LUTs, DSPs, block RAMs, cycles between samples and for one, samples a second (docs/estimates.md)."""
        found = estimated(self.graph, self.config.io, self.config.clock)
        return found if self.pipeline is None else {**found, **self.pipeline.pace(self.config.clock)}

    def export(self, path: str | Path, target: str | None = None, *, force: bool = False) -> Project:
        """Write a complete project; an existing one is replaced only with `force`, and only as a whole."""
        config = self.config.updated(target=target)
        design = self if config == self.config else Design(self.graph, config, self.model)
        files, digest = design._rendered()
        write_files(files, Path(path), force=force)
        return Project(Path(path), tuple(sorted(files)), digest, design)

    def export_all(self, path: str | Path, *, force: bool = False) -> list[Project]:
        """Write a project for every HLS tool below `path`: all of them or none, with one digest of the weights."""
        if self.config.part:
            raise SpecError(f"part '{self.config.part}' for every target", remedy="a device belongs to one target")
        designs = {n: Design(self.graph, self.config.updated(target=n), self.model) for n in sorted(HLS_TARGETS)}
        projects = {name: design._rendered() for name, design in designs.items()}
        files = {f"{name}/{file}": data for name, (project, _) in projects.items() for file, data in project.items()}
        manifest = {
            "hwq": hwq.__version__,
            "model": self.graph.name,
            "target": ALL_TARGETS,
            "targets": list(projects),
            "weights_digest": self.weights_digest(),
            "digest": files_digest(files),
            "files": sorted(files),
        }
        files[MANIFEST] = (json.dumps(manifest, indent=1) + "\n").encode()
        write_files(files, Path(path), force=force)
        return [
            Project(Path(path) / name, tuple(sorted(project)), digest, designs[name])
            for name, (project, digest) in projects.items()
        ]

    def __repr__(self) -> str:
        return f"<hwq.Design {self.name}: {len(self.graph.nodes)} layers>"


@dataclass(frozen=True)
class Project:
    """An exported project: its folder, the files in it, their digest, and the design they came from."""

    path: Path
    files: tuple[str, ...]
    digest: str
    design: Design

    def verify(
        self, x: Any = None, types: str = "vendor", *, samples: int = 100, seed: int = 0, stage: Stage = _silent
    ) -> Result:
        """Compile the sources as they lie in the folder, and compare every output code with the simulator.

        `types`: "vendor" compiles against the vendor's headers, "native" against hwq's own, a hundred times faster.
        `x`: real inputs as for `Design.simulate`; None draws `samples` of them from `seed`.
        """
        if types not in ("vendor", "native"):
            raise SpecError(f"types '{types}' are not available", remedy="use vendor or native")
        graph = self.design.graph
        data = random_inputs(graph, samples, seed) if x is None else x
        target: Target = get_target(self.design.config.target)
        if self.design.pipeline is not None:
            if types != "vendor":
                raise SpecError(f"--types {types} of Verilog", remedy="leave it out: there is one meaning")
            inputs = Simulator(graph).quantized(data)
            return verify_rtl(self.path, graph, self.design.settings().top, self.design.pipeline, inputs, stage)
        return verify_sources(self.path, graph, target, self.design.settings().top, data, stage, types)

    def prove(self, types: str = "vendor", *, stage: Stage = _silent) -> Proved:
        """Compile every quantizer's circuit as it lies in the folder, and compare it with the exact step function.

        At both sides of every step point of every channel, over the whole reachable range; tables at every code. Some
        samples go through a second reading of the model too (`Design.exactly`).
        """
        design, target = self.design, get_target(self.design.config.target)
        if design.pipeline is not None:
            raise SpecError("--prove on a Verilog project", remedy="prove the same with --target native")
        if design.config.io == "stream":
            raise SpecError(
                "--prove on a streaming project", remedy="prove it with --io parallel: the circuits are the same"
            )
        top = design.settings().top
        proved = prove_sources(self.path, design.stages(), design.graph, target, top, types, stage)
        stage("reading the model a second time")
        return replace(proved, exact=design.exactly())

    @staticmethod
    def load(path: str | Path, stage: Stage = _silent) -> Project:
        """A project that was exported earlier, from its folder: its model is compiled again with its own settings."""
        folder = Path(path)
        recovered(folder)
        try:
            manifest = read_json((folder / MANIFEST).read_text(encoding="utf-8"))
            if isinstance(manifest, dict) and manifest.get("target") == ALL_TARGETS:
                one = folder / str(manifest["targets"][0])
                raise SpecError(f"'{folder}' holds a project per target", remedy=f"name one of them, such as '{one}'")
            model = (folder / "model" / "model.onnx").read_bytes()
            config = load_config(manifest["config"])
        except (OSError, ValueError, LookupError, TypeError):
            raise SpecError(f"'{folder}' is not a project that hwq wrote", remedy="export the model again") from None
        design = compile(model, config, stage=stage)
        files = tuple(sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()))
        content = {name: (folder / name).read_bytes() for name in files if name != MANIFEST}
        return Project(folder, files, files_digest(content), design)


def compile(
    source: Source, config: Config | Mapping[str, Any] | str | Path | None = None, *, stage: Stage = _silent
) -> Design:
    """Compile a model (path, bytes or ModelProto) with a config (path of a YAML file, dict or None) to a `Design`.

    Raises `HwqError` in one line where the model cannot be used.
    """
    chosen = load_config(config)
    stage("reading the model")
    model, folder, data = (convert(source), None, None) if is_keras_file(source) else load_file(source)
    floating = model if chosen.quantize else None
    if chosen.quantize:  # from here on the model is a quantized one
        model, data = quantized(model, read_plan(chosen.quantize)), None
        chosen = replace(chosen, quantize={})
    real = _read(model, folder, chosen)
    names = list(dict.fromkeys(n.name for n in real.nodes))
    for pattern in chosen.unmatched(names):
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise SpecError(f"config of layer '{pattern}' matches no node", remedy=f"the model's nodes: {shown}")
    stage("compiling")
    graph = compile_graph(real, _options(chosen, stage))
    fallback = Path(source).stem if isinstance(source, str | Path) else ""
    if fallback and not chosen.top:
        chosen = replace(chosen, top=identifier(fallback, "net"))
    return Design(graph, chosen, self_contained(model, folder, data), floating)


def _read(model: ModelProto, folder: Path | None, config: Config) -> RealGraph:
    """The real graph of a model, its inputs of the types that the config states."""
    types = {name: _input_type(name, text) for name, text in config.input_types.items()}
    shapes = {name: shape_of_text(name, stated) for name, stated in config.input_shapes.items()}
    return read_model(model, folder, types, config.stochastic, shapes)


def _options(config: Config, stage: Stage = _silent) -> Options:
    """What the passes are asked for."""

    def pace(graph: Graph) -> Graph:
        stage("folding")
        return paced(graph, config.io, config.target_fps, config.clock)

    return Options(
        softmax=config.softmax,
        output_types={name: _input_type(name, text) for name, text in config.output_types.items()},
        semantics=config.semantics,
        table_bits=config.table_bits,
        costs=Costs(**config.costs),
        reuse_of=config.reuse_of,
        pace=pace if config.target_fps else None,
        choices_of=lambda name: Choice.of(config.choices_of(name)),
        io=config.io,
        stated_shapes=frozenset(config.input_shapes),
    )


def _input_type(name: str, text: str) -> InputType:
    try:
        return InputType(*type_spec(str(text)))
    except HwqError as error:
        raise SpecError(f"type of '{name}': {error.found}", remedy=error.remedy) from None


__all__ = ["Design", "Project", "Result", "TensorInfo", "compile"]
