"""Choices from YAML and dicts: defaults, merging, and every wrong one refused by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hwq
from hwq.config import Config, load_config
from hwq.errors import SpecError


def test_nothing_chosen_means_the_defaults() -> None:
    assert load_config(None) == load_config({}) == Config()
    assert (Config().target, Config().io, Config().reuse, Config().semantics) == ("vivado", "parallel", None, "real")


def test_a_yaml_file_and_a_dict_mean_the_same(tmp_path: Path) -> None:
    path = tmp_path / "quant.yaml"
    path.write_text(
        "target: vivado\nreuse: 4\nclock: 2.5\ninput-type: {x: 'ap_fixed<8,3>'}\n"
        "layers:\n  fc1: {reuse: 8}\n  'fc*': {reuse: 2}\n"
    )
    same = {
        "target": "vivado",
        "reuse": 4,
        "clock": 2.5,
        "input_types": {"x": "ap_fixed<8,3>"},
        "layers": {"fc1": {"reuse": 8}, "fc*": {"reuse": 2}},
    }
    assert load_config(path) == load_config(str(path)) == load_config(same)


def test_an_empty_yaml_file_chooses_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert load_config(tmp_path / "empty.yaml") == Config()


def test_the_first_layer_pattern_that_matches_decides() -> None:
    config = load_config({"reuse": 3, "layers": {"fc1": {"reuse": 8}, "fc*": {"reuse": 2}, "odd": {}}})
    assert [config.reuse_of(n) for n in ("fc1", "fc2", "fc10", "relu", "odd")] == [8, 2, 2, 3, 3]
    assert load_config({"layers": {"fc1": {"reuse": 8}}}).reuse_of("fc2") is None


def test_a_name_with_brackets_matches_itself() -> None:
    config = load_config({"layers": {"/fc[0]/MatMul": {"reuse": 5}}})
    assert config.reuse_of("/fc[0]/MatMul") == 5
    assert config.reuse_of("/fc0/MatMul") == 5  # as a wildcard it matches this too


def test_the_command_line_adds_to_the_file_and_wins_over_it() -> None:
    config = load_config({"reuse": 4, "input_types": {"a": "ap_fixed<8,3>", "b": "ap_fixed<8,3>"}})
    merged = config.updated(reuse=2, clock=None, input_types={"b": "ap_fixed<4,1>"})
    assert merged.reuse == 2
    assert merged.clock == config.clock
    assert merged.input_types == {"a": "ap_fixed<8,3>", "b": "ap_fixed<4,1>"}
    assert config.reuse == 4


def test_a_config_survives_json() -> None:
    config = load_config({"reuse": 4, "layers": {"a": {"reuse": 2}}, "input_types": {"x": "ap_fixed<8,3>"}})
    assert load_config(config.plain()) == config
    assert load_config(config) is config


WRONG: dict[str, tuple[Any, str]] = {
    "unknown key": ({"resue": 2}, "unknown config key 'resue'"),
    "a number as key": ({7: 2}, "unknown config key '7'"),
    "one key in two spellings": ({"input-type": {}, "input_types": {}}, "given twice"),
    "a list": ([1], "no mapping"),
    "unknown target": ({"target": "quartus"}, "'quartus'"),
    "target that is a list": ({"target": ["vivado"]}, "config 'target' is"),
    "unknown io": ({"io": "bus"}, "io style 'bus'"),
    "unknown semantics": ({"semantics": "guess"}, "semantics 'guess'"),
    "reuse of zero": ({"reuse": 0}, "config reuse is 0"),
    "negative reuse": ({"reuse": -1}, "config reuse is -1"),
    "reuse that is true": ({"reuse": True}, "config reuse is True"),
    "reuse of one and a half": ({"reuse": 1.5}, "config reuse is 1.5"),
    "reuse that is text": ({"reuse": "8"}, "config reuse is '8'"),
    "clock of zero": ({"clock": 0}, "config clock is 0"),
    "clock that is no number": ({"clock": float("nan")}, "config clock is nan"),
    "clock without end": ({"clock": float("inf")}, "config clock is inf"),
    "layers that are a list": ({"layers": ["a"]}, "config 'layers' is no mapping"),
    "layer that is a number": ({"layers": {"a": 4}}, "layer 'a' has unknown choices"),
    "layer called by a number": ({"layers": {4: {"reuse": 2}}}, "layer '4' has unknown choices"),
    "layer with an unknown choice": ({"layers": {"a": {"fold": 2}}}, "layer 'a' has unknown choices"),
    "layer with a bad reuse": ({"layers": {"a": {"reuse": 0}}}, "reuse of layer 'a' is 0"),
    "input types that are text": ({"input_types": "x=ap_fixed<8,3>"}, "'input_types' is no mapping"),
    "input type that is a number": ({"input_types": {"x": 8}}, "config 'input_types' holds 'x': int"),
    "output type that is a list": ({"output_types": {"y": [1]}}, "config 'output_types' holds 'y': list"),
    "top that is a number": ({"top": 5}, "config 'top' is 5"),
    "top that is a keyword": ({"top": "int"}, "'net_int'"),
    "top with a path in it": ({"top": "../x"}, "no C identifier"),
    "top with code in it": ({"top": "f(){}; void g"}, "no C identifier"),
    "part with tcl in it": ({"part": "x7}; exec reboot; {"}, "no device name"),
    "part with a newline": ({"part": "x7\nexec reboot"}, "no device name"),
}


@pytest.mark.parametrize("case", sorted(WRONG))
def test_a_wrong_choice_is_refused_by_its_name(case: str) -> None:
    source, words = WRONG[case]
    with pytest.raises(SpecError) as error:
        load_config(source)
    assert words in str(error.value)
    assert error.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "\t- x",
        "!!python/object/apply:os.system ['true']",
        "\0",
        "[" * 5000,
        "clock: 2024-13-45",
        "reuse: 2\nreuse: 3",
        "layers:\n  a: {reuse: 2}\n  a: {reuse: 3}",
        "reuse: 2\n---\nreuse: 3",
        "? [a, b]\n: 1\n? {c: d}\n: 2",
    ],
)
def test_a_file_that_is_no_yaml_is_refused_by_its_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as error:
        load_config(path)
    assert error.value.remedy
    assert "config" in str(error.value)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xfa")
    for name in ("none.yaml", "bytes.yaml", "."):
        with pytest.raises(SpecError, match="cannot read config"):
            load_config(tmp_path / name)


def test_a_small_file_that_unfolds_to_a_large_one_does_no_harm(tmp_path: Path) -> None:
    levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 30)]
    (tmp_path / "bomb.yaml").write_text("\n".join(["input_types:", "  l0: &l0 x", *("  " + line for line in levels)]))
    with pytest.raises(SpecError, match="aliases that stand for too much"):
        load_config(tmp_path / "bomb.yaml")


@pytest.mark.parametrize("top", ["net", "Net2", "my_top", "TFC_1W2A"])
def test_a_top_name_that_cpp_accepts_is_kept(top: str) -> None:
    assert load_config({"top": top}).top == top


def test_compile_takes_a_config_in_every_form(tmp_path: Path) -> None:
    from models import small_model

    (tmp_path / "quant.yaml").write_text("reuse: 3\n")
    for config in ({"reuse": 3}, tmp_path / "quant.yaml", str(tmp_path / "quant.yaml"), Config(reuse=3)):
        assert hwq.compile(small_model(), config).config.reuse == 3


def test_a_layer_pattern_that_matches_no_node_is_refused_with_the_nodes_there_are():
    example = Path(__file__).resolve().parents[1] / "examples" / "rings.onnx"
    with pytest.raises(SpecError, match=r"matches no node.*fc1"):
        hwq.compile(example, {"layers": {"conv*": {"reuse": 2}}})
