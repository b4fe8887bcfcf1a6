"""Reads the weights of an ONNX file. Only its tensors are needed: the encoder knows how they are used."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

Tensor = npt.NDArray[np.generic]

# The numbers of fields in onnx.proto3 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).
_MODEL_GRAPH: Final = 7
_GRAPH_TENSOR: Final = 5
_TENSOR_DIMENSION: Final = 1
_TENSOR_TYPE: Final = 2
_TENSOR_NAME: Final = 8
_TENSOR_BYTES: Final = 9
_TYPES: Final[dict[int, npt.DTypeLike]] = {1: np.float32, 3: np.int8}

# The wire types of Protocol Buffers.
_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of numbers in an ONNX file, in its order, by their names.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is not an ONNX file.
    """
    tensors: dict[str, Tensor] = {}
    with path.open("rb") as file:
        # The tensors are views into the file. So only the vectors of words that are used come into memory.
        content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    for number, graph in _fields(content):
        if number == _MODEL_GRAPH and isinstance(graph, memoryview):
            for part, tensor in _fields(graph):
                if part == _GRAPH_TENSOR and isinstance(tensor, memoryview):
                    tensors.update(_read_tensor(tensor))
    return tensors


def _read_tensor(message: memoryview) -> Iterator[tuple[str, Tensor]]:
    shape: list[int] = []
    tensor_type, name, content = 0, "", None
    for number, value in _fields(message):
        if isinstance(value, int):
            if number == _TENSOR_DIMENSION:
                shape.append(value)
            elif number == _TENSOR_TYPE:
                tensor_type = value
        elif number == _TENSOR_DIMENSION:  # all dimensions in one field
            shape += _varints(value)
        elif number == _TENSOR_NAME:
            name = bytes(value).decode()
        elif number == _TENSOR_BYTES:
            content = value
    if content is not None and tensor_type in _TYPES:
        yield name, np.frombuffer(content, _TYPES[tensor_type]).reshape(shape)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and the value of each field of a message."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        wire_type = key & 7
        if wire_type == _VARINT:
            value, position = _varint(message, position)
            yield key >> 3, value
            continue
        if wire_type == _BYTES:
            length, position = _varint(message, position)
        elif wire_type in {_FIXED32, _FIXED64}:
            length = 4 if wire_type == _FIXED32 else 8
        else:
            raise ValueError(f"{wire_type} is no wire type of Protocol Buffers")
        yield key >> 3, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return an integer of variable length, and the position after it."""
    value = shift = 0
    while position < len(message):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - the bit that says whether another byte follows
            return value, position
    raise ValueError("a number has no end")


def _varints(message: memoryview) -> Iterator[int]:
    position = 0
    while position < len(message):
        value, position = _varint(message, position)
        yield value
