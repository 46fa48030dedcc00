"""Reads the headers of safetensors files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_METADATA = "__metadata__"


def read_header(file: Path) -> tuple[Mapping[str, Mapping[str, Any]], int]:
    """What a safetensors file says about each of its tensors, and where their bytes begin.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is not whole. The message is a clause about it.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = 8 + int.from_bytes(stream.read(8), "little")
        if start > size:
            message = f"its {size} bytes do not hold a header of safetensors"
            raise ValueError(message)
        content = stream.read(start - 8)
    try:
        tensors = {key: value for key, value in json.loads(content).items() if key != _METADATA}
        end = start + max((about["data_offsets"][1] for about in tensors.values()), default=0)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        message = "its header is not one of safetensors"
        raise ValueError(message) from error
    if end != size:
        message = f"it has {size} bytes, and its header speaks of {end}"
        raise ValueError(message)
    return tensors, start
