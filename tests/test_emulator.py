"""The emulator: a design's native build in this process, equal to the simulator whatever it is given."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import hwq
from hwq.errors import HwqError
from models import const, mlp, model, node, samples, small_model

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "rings.onnx"


@pytest.mark.parametrize("threads", [1, 2, 5, None])
def test_the_emulator_equals_the_simulator(threads: int | None):
    design = hwq.compile(mlp())
    emu = design.emulator()
    for batch in (1, 3, 64):
        x = samples((batch, 6), seed=batch, spread=3.0)
        assert np.array_equal(emu(x, codes=True, threads=threads), design.simulate(x, codes=True))
        values = emu(x, threads=threads)
        assert values.dtype == np.float64
        assert np.array_equal(values, design.simulate(x))


def test_the_emulator_takes_and_gives_dicts_as_the_simulator_does():
    nodes = [
        node("Quant", "u s z b", "uq", signed=1, narrow=0, rounding_mode="ROUND"),
        node("Quant", "v s z b", "vq", signed=0, narrow=0, rounding_mode="FLOOR"),
        node("Add", "uq vq", "sum"),
        node("Mul", "uq vq", "product"),
    ]
    proto = model(
        nodes, {"u": [1, 3], "v": [1, 3]}, ["sum", "product"], [const("s", 0.3), const("z", 0.0), const("b", 5.0)]
    )
    design = hwq.compile(proto)
    x = {"u": samples((9, 3), 1, 3.0), "v": samples((9, 3), 2, 3.0)}
    got, want = design.emulator()(x), design.simulate(x)
    assert sorted(got) == sorted(want) == ["product", "sum"]
    assert all(np.array_equal(got[k], want[k]) for k in want)


def test_codes_past_64_bits_go_through_the_emulator():
    design = hwq.compile(model([node("Mul", "x x", "y")], {"x": [1, 3]}), {"input_types": {"x": "ap_fixed<50,20>"}})
    x = samples((7, 3), 3, 1e4)
    assert design.outputs[0].type.width > 64
    codes = design.emulator()(x, codes=True)
    assert codes.dtype == object
    assert np.array_equal(codes, design.simulate(x, codes=True))
    assert np.array_equal(design.emulator()(x), design.simulate(x))


def test_the_emulator_treats_infinities_and_nan_as_the_simulator_does():
    design = hwq.compile(small_model())
    emu = design.emulator()
    x = np.asarray([[np.inf, -np.inf, 0.5, 1e300]])
    assert np.array_equal(emu(x, codes=True), design.simulate(x, codes=True))
    with pytest.raises(HwqError, match="holds NaN"):
        emu(np.full((1, 4), np.nan))
    with pytest.raises(HwqError, match="data of shape"):
        emu(np.zeros((2, 5)))


def test_the_emulator_does_not_change_its_input_and_takes_any_layout():
    design = hwq.compile(small_model())
    emu = design.emulator()
    x = samples((4, 10)).T
    kept = x.copy()
    assert np.array_equal(emu(x, codes=True), design.simulate(x, codes=True))
    assert np.array_equal(x, kept)
    assert np.array_equal(emu(x[::-2].astype(np.float32)), design.simulate(x[::-2].astype(np.float32)))


def test_the_emulator_gives_the_simulators_answer_to_an_empty_batch():
    design = hwq.compile(small_model())
    emu, x = design.emulator(), np.empty((0, 4))

    def outcome(run) -> object:
        try:
            return run(x, codes=True).shape
        except HwqError as error:
            return str(error)

    assert outcome(emu) == outcome(design.simulate)


def test_designs_of_one_name_do_not_meet_in_a_process():
    """Same names, other weights: each library answers for itself, also when both were loaded before."""
    designs = [hwq.compile(mlp(seed=seed)) for seed in (1, 2, 3)]
    assert len({d.weights_digest() for d in designs}) == 3
    assert len({d.settings().top for d in designs}) == 1
    emulators, x = [d.emulator() for d in designs], samples((20, 6), 4, 3.0)
    for _ in range(2):
        for design, emu in zip(designs, emulators, strict=True):
            assert np.array_equal(emu(x, codes=True), design.simulate(x, codes=True))


def test_one_emulator_serves_many_python_threads_at_once():
    design = hwq.compile(mlp())
    emu = design.emulator()
    batches = [samples((n % 40 + 1, 6), n, 3.0) for n in range(60)]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda x: emu(x, codes=True, threads=1 + len(x) % 3), batches))
    assert all(np.array_equal(g, design.simulate(x, codes=True)) for g, x in zip(got, batches, strict=True))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, np.int64, np.uint8, bool, ">f8"])
def test_the_emulator_takes_what_the_simulator_takes(dtype: str):
    design = hwq.compile(small_model())
    x = samples((8, 4), 1, 2.0)
    x = np.abs(x).astype(dtype) if np.dtype(dtype).kind in "ub" else x.astype(dtype)
    emu = design.emulator()
    assert np.array_equal(emu(x, codes=True), design.simulate(x, codes=True))
    assert np.array_equal(emu(x.tolist()), design.simulate(x.tolist()))


def test_layouts_in_memory_do_not_matter():
    design = hwq.compile(small_model())
    emu, big = design.emulator(), samples((12, 16), 5, 2.0)
    row = np.broadcast_to(big[0, :4], (6, 4))
    read_only = big[:, :4].copy()
    read_only.flags.writeable = False
    for x in (big[:, ::4], np.asfortranarray(big[:, :4]), big[::-1, 3::-1], row, read_only):
        assert np.array_equal(emu(x, codes=True), design.simulate(x, codes=True))


@pytest.mark.parametrize("threads", [1, 2])
def test_single_precision_inputs_are_read_as_they_are_at_and_beside_every_step(threads: int):
    design = hwq.compile(EXAMPLE)
    (port,) = design.graph.inputs
    near = port.quantizer.rows.bounds.reshape(-1).astype(np.float32)
    x = np.concatenate([near, np.nextafter(near, np.float32(9)), np.nextafter(near, np.float32(-9))])
    x = x[: x.size // 2 * 2].reshape(-1, 2)
    want = design.simulate(x.astype(np.float64), codes=True)
    assert np.array_equal(design.emulator()(x, codes=True, threads=threads), want)
    assert np.array_equal(design.emulator()(x.astype(np.float64), codes=True, threads=threads), want)
