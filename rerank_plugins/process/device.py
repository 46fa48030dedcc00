"""Where a run computes."""

from __future__ import annotations

import torch
from sentence_transformers.util import get_device_name

from rerank_plugins.errors import InvalidInputError


def find_device(name: str | None) -> torch.device:
    """Returns the device of that name, or the GPU where torch finds one, else the CPU.

    Raises:
        InvalidInputError: torch knows no such device, or there is none here.
    """
    if name is None:
        return torch.device(get_device_name())
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises either for a missing GPU
        reason = str(error).splitlines()[0].rstrip(".")
        msg = f"device {name!r} cannot be used here: {reason}; give cpu, or leave it out"
        raise InvalidInputError(msg) from error
    return device
