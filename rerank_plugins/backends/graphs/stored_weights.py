"""The weights of a model where they lie: in its safetensors files."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.models.files import weight_files
from rerank_plugins.models.safetensors_files import read_header

_RENAMED = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
_REAL = ("F32", "F16", "BF16")
_PART = re.compile(r"(?P<name>.+)\[(?P<number>\d+)/(?P<parts>\d+)\]")


@dataclass(frozen=True, slots=True)
class StoredWeight:
    """One tensor of a safetensors file.

    Attributes:
        file: The file.
        dtype: Its type, in the words of safetensors: `F32`, `BF16`.
        shape: Its shape.
        offset: Where its bytes begin in the file.
    """

    file: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def part(self, number: int, parts: int) -> "StoredWeight":
        """One of equal parts along the first axis, counted from 0: they lie one after the other."""
        shape = (self.shape[0] // parts, *self.shape[1:])
        size = _dtype(self.dtype).itemsize * int(np.prod(shape))
        return replace(self, shape=shape, offset=self.offset + number * size)


class StoredWeights(Mapping[str, StoredWeight]):
    """The tensors in a folder's safetensors files, by key.

    Layer normalisations go by their names of today in files with the names of old. Parts of tensors
    are found by their `part_names`.

    Args:
        folder: Holds `model.safetensors`, or several files and their index.

    Raises:
        OSError, ValueError: A file is missing or damaged.
    """

    def __init__(self, folder: Path, modules: Iterable[Path] = ()) -> None:
        prefixes = {folder: ""} | {module: f"{module.name}/" for module in modules}
        self._tensors = {
            f"{prefix}{name}": tensor
            for place, prefix in prefixes.items()
            for file in weight_files(place)
            for name, tensor in _header(file)
        }
        self._bytes = cache(_mapped)  # one mapping per file

    def __getitem__(self, name: str) -> StoredWeight:
        part = _PART.fullmatch(name)
        if part is None:
            return self._tensors[name]
        return self._tensors[part["name"]].part(int(part["number"]), int(part["parts"]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def is_real(self, name: str) -> bool:
        """Whether a tensor has a type that graphs can read: not one that was quantised."""
        return self[name].dtype in _REAL

    def array(self, name: str) -> NDArray[Any]:
        """A tensor, whose bytes stay in the file until they are read."""
        tensor = self[name]
        dtype = _dtype(tensor.dtype)
        size = dtype.itemsize * int(np.prod(tensor.shape))
        content: NDArray[Any] = self._bytes(tensor.file)[tensor.offset : tensor.offset + size]
        array: NDArray[Any] = content.view(dtype).reshape(tensor.shape)
        return array


class ConvertedWeights(StoredWeights):
    """Weights whose matrices and tables are read in another type, and all others in fp32.

    Args:
        weights: The weights.
        dtype: The type of matrices and tables, in the words of safetensors.
    """

    def __init__(self, weights: StoredWeights, dtype: str) -> None:
        self._weights = weights
        self._tensors = {
            name: replace(stored, dtype=dtype if len(stored.shape) > 1 else "F32")
            for name, stored in weights.items()
        }

    def array(self, name: str) -> NDArray[Any]:
        """A tensor in its new type."""
        return self._weights.array(name).astype(_dtype(self[name].dtype))


def part_names(name: str, parts: int) -> list[str]:
    """The names of equal parts of a tensor along its first axis."""
    return [f"{name}[{number}/{parts}]" for number in range(parts)]


def _header(file: Path) -> Iterator[tuple[str, StoredWeight]]:
    tensors, start = read_header(file)
    for name, about in tensors.items():
        for old, new in _RENAMED.items():
            name = name.replace(old, new)
        offset = start + about["data_offsets"][0]
        yield name, StoredWeight(file, about["dtype"], tuple(about["shape"]), offset)


def _mapped(file: Path) -> NDArray[np.uint8]:
    """The bytes of a file. OpenVINO takes writeable arrays only; nothing writes to the file."""
    return np.memmap(file, dtype=np.uint8, mode="c")


def _dtype(name: str) -> np.dtype[Any]:
    """The type of arrays; numpy has no bf16 of its own."""
    kind: Any = np.float32 if name == "F32" else np.float16
    if name == "BF16":
        import ml_dtypes  # not above: planning reads no weights

        kind = ml_dtypes.bfloat16
    dtype: np.dtype[Any] = np.dtype(kind)
    return dtype
