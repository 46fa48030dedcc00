"""Options of a reranker as fields of a pydantic model."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from rerank_plugins.errors import InvalidInputError, RerankError
from rerank_plugins.reranker import Reranker
from rerank_plugins.results import Statistics
from rerank_plugins.wrappers.documents import check_kind
from rerank_plugins.wrappers.option_values import _OPTIONS, check_result_options, plain_options


class OptionFields:
    """Mixin in front of a pydantic model whose fields are the options of a reranker.

    Fields are named as the options of `Reranker.from_options`, with `top_n` for `top_k`; those that
    a model does not have keep their defaults, and other fields are left alone. `token` is a
    `SecretStr`, also where a string was assigned, and is left out of pickles. Whatever is assigned
    later is checked like the constructor's arguments and takes effect on the next use. Fields hold
    the plain values that the core made of what was given. The model declares
    `_reranker: Reranker | None = PrivateAttr()`, and asks `_ready()` for it.

    Raises:
        InvalidInputError: An option is not allowed. What pydantic itself checks, such as the names
            of options, is its `ValidationError`; both are a `ValueError`.
    """

    model_fields: ClassVar[dict[str, Any]]
    _reranker: Reranker | None

    def __init__(self, **values: Any) -> None:
        from pydantic import ValidationError

        try:
            super().__init__(**values)
        except ValidationError as error:
            causes = [found.get("ctx", {}).get("error") for found in error.errors()]
            if isinstance(causes[0], RerankError):
                raise causes[0] from None  # as every other use of the options raises it
            raise

    def model_post_init(self, context: Any, /) -> None:
        """Has the core check all options; loads nothing."""
        self._reranker = self._make_reranker()

    def __setattr__(self, name: str, value: Any) -> None:
        before = self.__dict__.get(name)
        super().__setattr__(name, value)
        if name in type(self).model_fields:
            try:
                self._reranker = self._make_reranker()
            except BaseException:
                self.__dict__[name] = before
                raise

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other options, checked like the constructor's arguments.

        Raises:
            InvalidInputError: An option is not allowed, or there is none of that name.
        """
        fields = type(self).model_fields
        unknown = [name for name in update or () if name not in fields]
        if unknown:
            message = (
                f"{type(self).__name__} has no option {', '.join(map(repr, unknown))}. Its options "
                f"are {', '.join(fields)}."
            )
            raise InvalidInputError(message)
        base: Any = super()
        copied: Self = base.model_copy(update=update, deep=deep)
        copied.model_post_init(None)
        return copied

    def __copy__(self) -> Self:
        """A copy with a reranker of its own: closing one leaves the other, but for `scorer=`."""
        base: Any = super()
        copied: Self = base.__copy__()
        copied.model_post_init(None)
        return copied

    def __getstate__(self) -> dict[Any, Any]:
        own: Any = self
        fields, private = dict(self.__dict__), dict(own.__pydantic_private__)
        state: Any = super().__getstate__()
        state = {
            name: dict(part) if isinstance(part, dict) else part for name, part in state.items()
        }
        # LlamaIndex deletes what cannot be pickled, and from the model itself too.
        self.__dict__.update(fields)
        own.__pydantic_private__.update(private)
        if fields.get("scorer") is not None and "scorer" not in state["__dict__"]:
            name = type(self).__name__
            message = (
                f"This {name} cannot be pickled: its scorer cannot. Give it model= and options "
                "instead, or a scorer that pickles."
            )
            raise InvalidInputError(message)
        state["__dict__"]["token"] = None
        return dict(state)

    @property
    def statistics(self) -> Statistics:
        """How many pairs were scored, and how many were cut, since an option was last assigned."""
        return self._ready().scorer.statistics

    def warm_up(self) -> None:
        """Loads the model now, so that the first request does not wait for it."""
        self._ready().warm_up()

    async def awarm_up(self) -> None:
        """`warm_up` that never blocks the event loop."""
        await self._ready().awarm_up()

    def close(self) -> None:
        """Releases the model. A later use loads it again; a scorer handed in stays closed."""
        reranker, self._reranker = self._reranker, None  # another thread's call makes a new one
        if reranker is not None:
            reranker.close()

    def _ready(self) -> Reranker:
        """The reranker; a new one after `close`."""
        reranker = self._reranker
        if reranker is None:
            reranker = self._reranker = self._make_reranker()
        return reranker

    def _make_reranker(self) -> Reranker:
        """The reranker that the fields describe."""
        fields, values = type(self).model_fields, self.__dict__
        check_result_options(values)
        options = {name: values[name] for name in _OPTIONS if name in fields}
        options["token"] = self._readable_token()
        if "top_n" in fields:
            options["top_k"] = values["top_n"]
        reranker = Reranker.from_options(limit_name="top_n", **options)
        for name, value in plain_options(options, reranker).items():
            values["top_n" if name == "top_k" else name] = value
        return reranker

    def _readable_token(self) -> str | None:
        """The token for the core; pydantic does not validate what is assigned, so this does."""
        from pydantic import SecretStr

        if isinstance(self.__dict__["token"], str):
            self.__dict__["token"] = SecretStr(self.__dict__["token"])
        token = self.__dict__["token"]
        if token is None:
            return None
        hint = "Pass the token as a string or as a SecretStr."
        return str(check_kind(token, SecretStr, "token", hint).get_secret_value())
