"""Opening a Keras file as untrusted input: zip or HDF5 or JSON, bounded before memory is taken; nothing is executed."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hwq.errors import HwqError, ModelError, SpecError, printable
from hwq.models.keras.weights import Weights, open_weights, weights_of
from hwq.untrusted import read_json

MAX_CONFIG = 1 << 24  # bytes of config.json
MAX_WEIGHTS = 1 << 32  # bytes of a weights file
MAX_MEMBERS = 1 << 12
MAX_RATIO = 100  # of a compressed member to what is stored, beyond SMALL
SMALL = 1 << 20
SIBLINGS = ("{}_weights.h5", "{}.weights.h5", "{}.h5")  # of a JSON file, where its weights are looked for


@dataclass(frozen=True)
class Archive:
    """A model's configuration, its weights, and the version of Keras that wrote it ("" where unknown)."""

    label: str
    config: Mapping[str, Any]
    weights: Weights
    keras_version: str


def read_archive(source: str | Path, weights: str | Path | None = None) -> Archive:
    """The configuration and weights of a .keras, .h5 or .json file. Raises `ModelError` for damaged or hostile ones."""
    path = Path(source)
    suffix = path.suffix.lower()
    data = _read_file(path, MAX_CONFIG if suffix == ".json" else MAX_WEIGHTS)
    given = None if weights is None else Path(weights)
    if suffix == ".json":
        given = given or _sibling(path)
        config = _json(data, path.name)
        version = str(config.get("keras_version", ""))
        return Archive(path.name, config, open_weights(_read_file(given, MAX_WEIGHTS), given.name), version)
    if data[:4] == b"PK\x03\x04":
        config, version, inner = _read_zip(data, path.name)
        other = inner if given is None else _read_file(given, MAX_WEIGHTS)
        return Archive(path.name, config, open_weights(other, path.name if given is None else given.name), version)
    if suffix == ".keras":
        raise ModelError(f"'{path.name}' is no .keras archive", remedy="save the model again with model.save")
    return _read_h5(data, path.name, given)


def _read_h5(data: bytes, label: str, weights: Path | None) -> Archive:
    opened = open_weights(data, label)
    text = opened.attribute("model_config")
    if text is None:
        raise ModelError(
            f"'{label}' holds weights without a model",
            remedy="convert its JSON with --weights W.h5",
        )
    chosen = weights_of(opened, "model_weights", label)
    if weights is not None:
        chosen = open_weights(_read_file(weights, MAX_WEIGHTS), weights.name)
    return Archive(label, _json(text.encode(), label), chosen, opened.attribute("keras_version") or "")


def _read_file(path: Path, limit: int) -> bytes:
    try:
        if not path.is_file():
            raise ModelError(f"no file '{path.name}'", remedy="give the path of a .keras, .h5 or .json file")
        if path.stat().st_size > limit:
            raise ModelError(f"'{path.name}' is over {limit} bytes", remedy="hwq reads no larger ones")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read '{path.name}' ({error.strerror})", remedy="check the file") from None


def _sibling(path: Path) -> Path:
    for pattern in SIBLINGS:
        found = path.with_name(pattern.format(path.stem))
        if found.is_file():
            return found
    names = ", ".join(pattern.format(path.stem) for pattern in SIBLINGS)
    raise SpecError(
        f"'{path.name}' is a model without weights", remedy=f"give --weights W.h5, or put one of {names} beside it"
    )


def _read_zip(data: bytes, label: str) -> tuple[Mapping[str, Any], str, bytes]:
    """config.json, the Keras version and model.weights.h5 of a .keras archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = _checked_members(archive, label)
            for name in ("config.json", "model.weights.h5"):
                if name not in members:
                    raise ModelError(f"'{label}' holds no {name}", remedy="save the model again with model.save")
            config = _json(_member(archive, members["config.json"], MAX_CONFIG, label), label)
            version = ""
            if "metadata.json" in members:
                metadata = _json(_member(archive, members["metadata.json"], MAX_CONFIG, label), label)
                version = str(metadata.get("keras_version", ""))
            return config, version, _member(archive, members["model.weights.h5"], MAX_WEIGHTS, label)
    except HwqError:
        raise
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise ModelError(
            f"'{label}' is a damaged archive ({type(error).__name__})", remedy="save or download it again"
        ) from None


def _checked_members(archive: zipfile.ZipFile, label: str) -> dict[str, zipfile.ZipInfo]:
    """Members by name, if all of them are plausible; names that leave the archive or come twice are not."""
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise ModelError(f"'{label}' holds {len(infos)} files", remedy="save the model again with model.save")
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        path = PurePosixPath(info.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in info.filename or ":" in info.filename:
            raise ModelError(
                f"'{label}' holds the path '{printable(info.filename)}'", remedy="do not trust this file: refuse it"
            )
        if info.filename in members:
            raise ModelError(f"'{label}' holds '{printable(info.filename)}' twice", remedy="save the model again")
        members[info.filename] = info
    if sum(info.file_size for info in infos) > MAX_WEIGHTS:
        raise ModelError(f"'{label}' unpacks to over {MAX_WEIGHTS} bytes", remedy="hwq reads no larger models")
    return members


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int, label: str) -> bytes:
    if info.file_size > limit or (info.file_size > SMALL and info.file_size > MAX_RATIO * max(info.compress_size, 1)):
        raise ModelError(
            f"'{printable(info.filename)}' of '{label}' unpacks {info.compress_size} bytes to {info.file_size}",
            remedy="do not trust this file: no model packs so well",
        )
    if info.flag_bits & 1:
        raise ModelError(f"'{label}' is encrypted", remedy="save the model again with model.save")
    with archive.open(info) as file:
        return file.read(limit + 1)


def _json(data: bytes, label: str) -> Mapping[str, Any]:
    try:
        value = read_json(data.decode("utf-8"))
    except ValueError as error:
        raise ModelError(
            f"the configuration of '{label}' is no JSON ({type(error).__name__})", remedy="save the model again"
        ) from None
    if not isinstance(value, dict):
        raise ModelError(f"the configuration of '{label}' is no object", remedy="save the model again")
    return value
