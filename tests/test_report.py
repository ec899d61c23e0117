"""The report and the pictures: whole, self-contained, safe against a model's names, and right about the error."""

from __future__ import annotations

import json
import re
from html import escape
from html.parser import HTMLParser
from math import tanh
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

import hwq
from hwq.cli.main import main
from hwq.report import pictures, report_page
from hwq.report.plot import ticks

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "rings.onnx"
VOID = {"meta", "link", "br"}


def activation(
    op: str = "Tanh", name: str = "act", output: str = "y", frac: int = 5, scale: float | None = None
) -> Any:
    constants = [
        numpy_helper.from_array(np.float32(v), n) for n, v in (("s", scale or 2.0**-frac), ("z", 0.0), ("b", 8.0))
    ]
    nodes = [
        helper.make_node(op, ["x"], ["f"], name=name),
        helper.make_node(
            "Quant",
            ["f", "s", "z", "b"],
            [output],
            name=f"{name}q",
            domain="qonnx.custom_op.general",
            signed=1,
            narrow=0,
        ),
    ]
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3]) for n in ("x", output)]
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("qonnx.custom_op.general", 1)]
    return helper.make_model(helper.make_graph(nodes, name, infos[:1], infos[1:], constants), opset_imports=opsets)


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(main, [str(a) for a in arguments])


class Balanced(HTMLParser):
    """Every tag is closed, in order; nothing is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert not {"src", "onload", "onerror"} & {name for name, _ in attrs}
        assert all(v is not None and v.startswith("#") for name, v in attrs if name == "href")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(page: str) -> Balanced:
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert not {"script", "iframe", "object", "img", "link"} & set(parser.seen)
    return parser


def page_of(design: hwq.Design) -> str:
    return report_page(design, list(pictures(design.stages(), design.graph)), [])


def test_a_report_is_one_page_that_fetches_nothing_and_shows_every_layer(tmp_path: Path):
    result = run("report", EXAMPLE, "-o", tmp_path / "r.html")
    assert result.exit_code == 0, result.output
    page = (tmp_path / "r.html").read_text()
    seen = parsed(page).seen
    design = hwq.compile(EXAMPLE)
    for node in design.graph.nodes:
        assert f">{node.name}</td>" in page
    assert seen.count("svg") == 1 + 3 + sum(1 for _ in pictures(design.stages(), design.graph))
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_a_report_shows_the_verdict_of_a_verification(tmp_path: Path):
    result = run("report", EXAMPLE, "-o", tmp_path / "r.html", "--verify", "--types", "native", "--samples", 7)
    assert result.exit_code == 0, result.output
    assert "<b>EQUAL</b>" in (tmp_path / "r.html").read_text()
    assert run("report", EXAMPLE, "-o", tmp_path / "r.html", "--samples", 7).exit_code == 2


def test_a_report_of_a_tampered_project_says_so_and_exits_1(tmp_path: Path):
    assert run("export", EXAMPLE, "-o", tmp_path / "p").exit_code == 0
    weights = tmp_path / "p" / "src" / "weights" / "dense_fc3_weights.h"
    start, rest = weights.read_text().split("= {", 1)
    weights.write_text(start + "= {" + re.sub(r"-?\d+", lambda m: str(-int(m[0])), rest))
    result = run("report", tmp_path / "p", "-o", tmp_path / "r.html", "--verify", "--types", "native")
    assert result.exit_code == 1, result.output
    assert "<b>DIFFERENT</b>" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x onerror=y>', "&amp;</title>", "{{ 7*7 }}"])
def test_names_of_the_model_are_text_in_the_page_and_in_the_pictures(name: str):
    design = hwq.compile(activation(name=name, output=name), {"input_types": {"x": "ap_fixed<8,4>"}})
    page = page_of(design)
    parsed(page)
    assert escape(name, quote=False).split()[0] in page.replace("&#34;", '"')
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(svg)


@pytest.mark.parametrize(("kind", "frac"), [("ap_fixed<8,4>", 4), ("ap_fixed<20,4>", 16)])
def test_a_picture_holds_the_circuits_codes_the_real_function_and_their_difference(kind: str, frac: int):
    """Tanh to s8.5 by a table and, of 20-bit codes, by thresholds."""
    design = hwq.compile(activation(), {"input_types": {"x": kind}})
    (shown,) = pictures(design.stages(), design.graph)
    assert shown.functions == "Tanh"
    real = np.asarray([32 * tanh(c / 2**frac) for c in shown.codes.tolist()])
    assert np.allclose(shown.real, real, rtol=1e-12)
    assert np.array_equal(shown.got, np.rint(real))
    assert np.allclose(shown.errors, shown.got - real, atol=1e-9)
    assert -0.5 <= shown.least < -0.4
    assert 0.4 < shown.most <= 0.5
    assert shown.every == (frac == 4)


def test_the_exponentials_of_a_softmax_are_drawn_too():
    proto = helper.make_model(
        helper.make_graph(
            [helper.make_node("Softmax", ["x"], ["y"], name="soft", axis=1)],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 5])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])],
        ),
        opset_imports=[helper.make_opsetid("", 21)],
    )
    design = hwq.compile(proto, {"input_types": {"x": "ap_fixed<8,4>"}})
    (shown,) = pictures(design.stages(), design.graph)
    assert shown.functions == "Exp"
    assert max(-shown.least, shown.most) <= 0.5 + 1e-6
    parsed(page_of(design))


def test_an_error_outside_the_outputs_range_is_against_its_end():
    design = hwq.compile(activation("Exp"), {"input_types": {"x": "ap_fixed<8,4>"}})
    (shown,) = pictures(design.stages(), design.graph)
    assert shown.got.max() == 127
    assert max(-shown.least, shown.most) <= 1


def test_inspect_draws_a_sheet_a_png_and_a_folder(tmp_path: Path):
    model = tmp_path / "m.onnx"
    model.write_bytes(activation("Sigmoid", "s/i", frac=7).SerializeToString())
    common = ("inspect", model, "--input-type", "x=ap_fixed<8,4>", "--plot")
    assert run(*common, tmp_path / "t.svg").exit_code == 0
    root = ElementTree.parse(tmp_path / "t.svg").getroot()
    assert root.tag.endswith("svg")
    pytest.importorskip("matplotlib")
    assert run(*common, tmp_path / "t.png").exit_code == 0
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    assert run(*common, tmp_path / "t").exit_code == 0
    (record,) = json.loads((tmp_path / "t" / "pictures.json").read_text())
    ElementTree.parse(tmp_path / "t" / record["file"])
    assert record["all"]
    assert record["codes"] == 256
    assert run(*common, tmp_path / "t").exit_code == 2  # there already
    assert run(*common, tmp_path / "t.gif").exit_code == 2


def test_ticks_are_round_and_inside():
    assert ticks(-128, 127, 6) == [-100, -50, 0, 50, 100]
    assert ticks(3, 3, 5) == [3]
