"""What the wrappers of frameworks share: options in, documents checked, results described.

Our own are made with it, and another framework's could be. Imports no framework, and pydantic only
where a model of pydantic's is used.
"""

import warnings
from collections.abc import Iterable, Mapping
from inspect import signature
from os import PathLike, fspath
from typing import Any, ClassVar, Self

import numpy as np

from rerank_plugins._validation import check_flag, described
from rerank_plugins.errors import InvalidInputError, RerankError
from rerank_plugins.reranker import Reranker
from rerank_plugins.results import Ranked, Statistics
from rerank_plugins.scorer import CrossEncoderScorer

SCORER_OPTIONS = tuple(signature(CrossEncoderScorer).parameters)
"""The names of the options that say which model scores and how."""

RESULT_OPTIONS = ("annotate", "keep_retrieval_score")
"""The names of the options that say what is written into metadata besides the score."""

_OPTIONS = (*SCORER_OPTIONS, "score_threshold", "scale", "scorer")
_NUMBERS = ("max_length", "max_batch_tokens", "label", "timeout", "max_queue_pairs")


class NoTextWarning(UserWarning):
    """Documents without text were scored as empty text."""


def check_kind(value: object, kind: type[Any], name: str, hint: str = "") -> Any:
    """`value`, if it is of the framework's own kind.

    Args:
        value: What the caller gave.
        kind: The class it has to be of.
        name: What messages call it.
        hint: How to make one. With a hint the value is not shown: it may be a secret.

    Raises:
        InvalidInputError: It is something else.
    """
    if not isinstance(value, kind):
        given = type(value).__name__ if hint else described(value)
        message = f"{name} must be a {kind.__name__}, but got {given}. {hint}".rstrip()
        raise InvalidInputError(message)
    return value


def check_items(items: object, kind: type[Any], name: str) -> list[Any]:
    """The items as a new list, if they are an iterable of the framework's own kind.

    Raises:
        InvalidInputError: They are not, or one of them is not.
    """
    if isinstance(items, (str, bytes)) or not isinstance(items, Iterable):
        message = f"{name} must be a list of {kind.__name__}, but got {described(items)}."
        raise InvalidInputError(message)
    return [check_kind(item, kind, f"{name}[{at}]") for at, item in enumerate(items)]


def readable_texts(texts: Iterable[Any], name: str) -> list[Any]:
    """The texts of documents, as the core takes them: a document without text has an empty one.

    Args:
        texts: One text per document; `None` where it has none, as an image.
        name: What the framework calls its documents, for the warning.

    Warns:
        NoTextWarning: Once per call, with the number of texts that are missing or blank.
    """
    found = ["" if text is None else text for text in texts]
    blank = sum(isinstance(text, str) and not text.strip() for text in found)
    if blank:
        message = (
            f"{blank} of {len(found)} {name} without text, scored as empty text. Images and other "
            f"{name} that have nothing to read are better left out before the reranker."
        )
        warnings.warn(message, NoTextWarning, stacklevel=2)
    return found


def result_metadata(
    ranked: Ranked,
    metadata: Mapping[str, Any],
    *,
    annotate: bool,
    keep_retrieval_score: bool,
    retrieval_score: Any = None,
) -> dict[str, Any]:
    """What a wrapper adds to a document's metadata, besides the score itself: by default nothing.

    Frameworks take a document with other metadata for another document.

    Args:
        ranked: The document's place in the ranking.
        metadata: The metadata that the document came with.
        annotate: Add `relevance_score_scale` and `relevance_truncated`.
        keep_retrieval_score: Add `retrieval_score`, if it is known.
        retrieval_score: The score that the document came with. It is the first stage's unless the
            metadata tell of an earlier reranking; what that one kept stays.

    Returns:
        What was asked for, numpy's numbers as Python's.
    """
    added: dict[str, Any] = {}
    if annotate:
        added["relevance_score_scale"] = ranked.scale
        added["relevance_truncated"] = ranked.truncated
    if keep_retrieval_score:
        if "retrieval_score" in metadata or "relevance_score_scale" in metadata:
            retrieval_score = metadata.get("retrieval_score")
        if isinstance(retrieval_score, np.generic):
            retrieval_score = retrieval_score.item()
        if retrieval_score is not None:
            added["retrieval_score"] = retrieval_score
    return added


def check_result_options(options: Mapping[str, Any]) -> None:
    """Checks those of `RESULT_OPTIONS` that there are.

    Raises:
        InvalidInputError: One is neither True nor False.
    """
    for name in RESULT_OPTIONS:
        if name in options:
            check_flag(options[name], name)


def plain_options(options: Mapping[str, Any], reranker: Reranker) -> dict[str, Any]:
    """Those of the options that the core took as another value, for a wrapper to write back.

    numpy's numbers and paths are allowed, and neither JSON nor YAML can be made of them.

    Args:
        options: What `Reranker.from_options` was given.
        reranker: What it gave.

    Returns:
        Python's own numbers and text, by the name of the option.
    """
    cut, scorer = reranker._cut, reranker.scorer
    taken = {"top_k": cut.top_k, "score_threshold": cut.score_threshold}
    if options.get("scorer") is None and isinstance(scorer, CrossEncoderScorer):
        taken |= {name: value for name, value in scorer._arguments().items() if name in _NUMBERS}
    paths = {name: fspath(value) for name, value in options.items() if isinstance(value, PathLike)}
    return {
        name: value for name, value in {**taken, **paths}.items() if value is not options.get(name)
    }


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
