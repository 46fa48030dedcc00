"""The identity of a scorer's numbers, found out once before its model is loaded, and once after."""

from collections.abc import Mapping
from dataclasses import asdict

from rerank_plugins.backends.choice import choose
from rerank_plugins.backends.contract import Backend, PairOptions
from rerank_plugins.backends.identity import identity_of
from rerank_plugins.backends.windows import window_settings
from rerank_plugins.checks.long_passages import WINDOW_OPTIONS
from rerank_plugins.engine.registry import SharedModel
from rerank_plugins.models.location import files_of, folder_here
from rerank_plugins.models.own_settings import read_own_settings
from rerank_plugins.scoring.identity import Identity
from rerank_plugins.tokens.windows import WindowSettings


class KnownIdentity:
    """What makes the numbers of one scorer what they are.

    Args:
        shared: The model.
        options: How pairs are scored.
        affixes: The texts that are placed around queries and passages.
    """

    def __init__(
        self, shared: SharedModel, options: PairOptions, affixes: Mapping[str, str]
    ) -> None:
        self._shared = shared
        self._options = options
        self._affixes = affixes
        self._before: Identity | None = None
        self._of_loaded: Identity | None = None

    def now(self) -> Identity | None:
        """The identity; `None` for files that are not on this disk, or not any more.

        A model that is loaded stays what it is, whatever becomes of its files. How a model will be
        run is only certain once it is loaded.
        """
        loaded = self._shared.engine.backends[:1]
        if loaded and self._of_loaded is not None:
            return self._of_loaded
        workers, files = self._shared.key
        if files_of(workers[0].model) != files:
            return None
        if loaded:
            self._of_loaded = self._found(loaded[0])
            return self._of_loaded
        if self._before is None:
            self._before = self._found(None)
        return self._before

    def _found(self, backend: Backend | None) -> Identity | None:
        """The identity of a loaded model, or of one as it would be loaded."""
        workers, _ = self._shared.key
        # The hub's cache may have got a newer commit since a model was loaded.
        folder = folder_here(workers[0]) if backend is None else backend.folder
        if folder is None or not folder.is_dir():
            return None
        plan = choose(workers[0], folder) if backend is None else backend.plan
        own = read_own_settings(folder) if backend is None else backend.own_settings
        reading = {
            **asdict(self._options),
            "max_batch_tokens": None,  # changes no score
            "from_left": self._options.from_left or None,
            **{name: text or None for name, text in self._affixes.items()},
            **_of_windows(window_settings(self._options, own)),
        }
        return identity_of(folder, workers, plan, reading)


def _of_windows(settings: WindowSettings | None) -> dict[str, str | int | None]:
    """What becomes of long passages, as the options that say the same for any folder."""
    if settings is None:
        return {"long_passages": "truncate"}
    sizes = (settings.tokens, settings.overlap, settings.most)
    return {"long_passages": "windows", **dict(zip(WINDOW_OPTIONS, sizes, strict=True))}
