"""Layers shared out between the two units of a build: the same functions, each in one of them, and the same codes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

import hwq
from hwq.build import cache as build
from hwq.build.split_units import LAYERS, MOVED, SECOND, with_shared_layers
from models import mlp, samples, small_model

UNITS = ("src/net.cpp", "tb/net_tb.cpp")
DEFINED = re.compile(r"^(?:static )?void (\w+)\([^{}\n]*\) \{\n(.*?)^\}$", re.M | re.S)
DECLARED = re.compile(r"^void (\w+)\([^{}\n]*\);$", re.M)


def sources(design: hwq.Design) -> dict[str, bytes]:
    return {name: text for name, text in design.render().items() if name.startswith(("src/", "tb/"))}


def text(files: Mapping[str, bytes], name: str) -> str:
    return files[name].decode()


@pytest.mark.parametrize("target", ["vivado", "catapult", "native"])
def test_every_layer_is_compiled_once(target: str):
    files = sources(hwq.compile(mlp(), {"top": "net", "target": target}))
    shared, units = with_shared_layers(files, UNITS)
    assert units == (UNITS[0], SECOND)
    assert text(shared, SECOND) == '#include "../src/layers_moved.h"\n#include "../tb/net_tb.cpp"\n'
    before = dict(DEFINED.findall(text(files, LAYERS)))
    stay, moved = (dict(DEFINED.findall(text(shared, name))) for name in (LAYERS, MOVED))
    assert len(before) > 4
    assert stay
    assert moved
    assert stay | moved == before
    assert set(DECLARED.findall(text(shared, LAYERS))) == set(moved) == set(before) - set(stay)
    assert "static" not in text(shared, MOVED)
    for name in (LAYERS, MOVED):  # and with it the ROMs that it reads, no others
        layers = text(shared, name).split("// ---", 1)
        roms = re.findall(r'#include "weights/(\w+)\.h"', layers[0])
        assert roms
        assert all(rom in layers[1] for rom in roms)
    assert {name: shared[name] for name in files if name != LAYERS} == {
        name: files[name] for name in files if name != LAYERS
    }


def test_layers_of_the_same_types_stay_together():
    layer = "// " + "-" * 117 + "\nstatic void {0}(const {1}_t x[4], {1}_t y[4]) {{\n  y[0] = x[0] + x[1];\n}}\n\n"
    types = "".join(f"typedef ap_fixed<{8 + k},4> {name}_t;  // codes\n" for k, name in enumerate("abab"))
    types = types.replace("<10,", "<8,").replace("<11,", "<9,")
    body = "".join(layer.format(f"f{k}", name) for k, name in enumerate("abab"))
    files = {LAYERS: f'#include "types.h"\n\n{body}\n#endif\n'.encode(), "src/types.h": types.encode()}
    moved = DEFINED.findall(text(with_shared_layers(files, UNITS)[0], MOVED))
    assert [name for name, _ in moved] in (["f0", "f2"], ["f1", "f3"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("static void", "static int helper = 0;\nstatic void"),
        ("static void", "template <int N> static void"),
        ("\n#endif\n", "\n#endif  // layers\n"),
        ("// ---", "// ==="),
    ],
)
def test_what_is_of_another_form_does_not_move(old: str, new: str):
    files = sources(hwq.compile(mlp(), {"top": "net"}))
    files[LAYERS] = text(files, LAYERS).replace(old, new).encode()
    assert with_shared_layers(files, UNITS) == (files, UNITS)
    del files[LAYERS]
    assert with_shared_layers(files, UNITS) == (files, UNITS)


def test_a_small_design_stays_in_its_unit():
    files = sources(hwq.compile(small_model(), {"top": "net"}))
    assert with_shared_layers(files, UNITS) == (files, UNITS)


def test_a_project_whose_layers_cannot_be_parted_is_built_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    seen = []
    compiled = build.compile_cpp

    def record(compiler: str, units: list[Path], *more: object) -> None:
        seen.append(units[1].name)
        compiled(compiler, units, *more)

    monkeypatch.setattr(build, "compile_cpp", record)
    project = hwq.compile(mlp(), {"top": "net", "target": "catapult"}).export(tmp_path / "net")
    assert project.verify(samples((20, 6)))
    assert set(seen) == {"second.cpp"}
    path = tmp_path / "net" / LAYERS
    head, first, *rest = re.split(r"(?=^static void)", path.read_text(), flags=re.M)
    edited = [f.replace(") {\n", ") {\n  (void)helper;\n", 1) for f in rest]
    path.write_text("".join([head, "static const int helper = 0;\n", first, *edited]))
    seen.clear()
    assert project.verify(samples((20, 6)))
    assert seen[0] == "second.cpp"
    assert seen[-1] == "net_tb.cpp"
