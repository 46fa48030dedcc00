"""Finds the device that a run computes on."""

from __future__ import annotations

import torch

from rerank_plugins.errors import InvalidInputError


def find_device(name: str) -> torch.device:
    """Returns the device of that name.

    Raises:
        InvalidInputError: torch knows no such device, or this machine has none.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises either for a missing GPU
        reason = str(error).splitlines()[0].rstrip(".")
        msg = f"device {name!r} cannot be used here: {reason}; give cpu, or leave it out."
        raise InvalidInputError(msg) from error
    return device
