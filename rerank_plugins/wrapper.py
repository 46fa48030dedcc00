"""For wrappers whose options are pydantic fields: the fields in, a reranker out.

Two of our own are made with it, and a third framework's could be. Imports no pydantic.
"""

from inspect import signature
from os import PathLike, fspath
from typing import Any, ClassVar

from rerank_plugins.reranker import Reranker
from rerank_plugins.scorer import CrossEncoderScorer

_OPTIONS = (*signature(CrossEncoderScorer).parameters, "score_threshold", "scale", "scorer")


class OptionFields:
    """Mixin in front of a pydantic model whose fields are the options of a reranker.

    Fields are named as the options of `Reranker.from_options`, with `top_n` for `top_k`; those that
    a model does not have keep their defaults, and other fields are left alone. `token` is a
    `SecretStr` and is left out of pickles. Whatever is assigned later is checked like the
    constructor's arguments and takes effect on the next use. The model declares
    `_reranker: Reranker = PrivateAttr()`.

    Raises:
        InvalidInputError: An option is not allowed.
    """

    model_fields: ClassVar[dict[str, Any]]
    _reranker: Reranker

    def model_post_init(self, context: Any, /) -> None:
        """Has the core check all options; loads nothing."""
        for name in ("model", "cache_folder"):  # paths are fine, and are kept as text
            if isinstance(self.__dict__[name], PathLike):
                self.__dict__[name] = fspath(self.__dict__[name])
        self._reranker = self._make_reranker()

    def __setattr__(self, name: str, value: Any) -> None:
        before = self.__dict__.get(name)
        super().__setattr__(name, value)
        if name in type(self).model_fields:
            try:
                self._reranker = self._make_reranker()
            except ValueError:
                self.__dict__[name] = before
                raise

    def __getstate__(self) -> dict[Any, Any]:
        state: Any = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], "token": None}}

    def warm_up(self) -> None:
        """Loads the model now, so that the first request does not wait for it."""
        self._reranker.warm_up()

    async def awarm_up(self) -> None:
        """`warm_up` that never blocks the event loop."""
        await self._reranker.awarm_up()

    def close(self) -> None:
        """Releases the model; it cannot be used afterwards."""
        self._reranker.close()

    def _make_reranker(self) -> Reranker:
        fields = type(self).model_fields
        options = {name: getattr(self, name) for name in _OPTIONS if name in fields}
        if options["token"] is not None:
            options["token"] = options["token"].get_secret_value()
        if "top_n" in fields:
            options["top_k"] = self.__dict__["top_n"]
        return Reranker.from_options(limit_name="top_n", **options)
