"""Keras and QKeras model files to quantized ONNX, read directly: no TensorFlow, no Keras, no code of the file's.

`convert(source)` gives the ONNX model; what hwq does not convert is refused by the layer's name.
"""

from __future__ import annotations

from hwq.models.keras.convert import SUFFIXES, convert, is_keras_file

__all__ = ["SUFFIXES", "convert", "is_keras_file"]
