"""The processors that Ray gives to a process, as the threads of its model."""

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rerank_plugins.errors import UnsupportedOptionError

_Loaded = TypeVar("_Loaded")


def with_own_threads(load: Callable[..., _Loaded], options: Mapping[str, Any]) -> _Loaded:
    """Loads something with `threads=` set to this actor's share, unless the options set it.

    Args:
        load: Takes the options, and loads the model.
        options: The options.
    """
    share = _share()
    if share is not None and options.get("threads") is None:
        try:
            return load(**{**options, "threads": share})
        except UnsupportedOptionError:
            pass  # torch and JAX have the threads that Ray sets for the whole process
    return load(**options)


def _share() -> int | None:
    """How many processors this actor has; `None` outside of an actor."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized() or ray.get_runtime_context().get_actor_id() is None:
        return None
    return max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 0)))
