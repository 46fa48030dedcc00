"""Options of a reranker as fields of pydantic models."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    SkipValidation,
    ValidationError,
    create_model,
    field_serializer,
)
from pydantic.json_schema import SkipJsonSchema

from rerank_plugins.checks.declaration import Option
from rerank_plugins.errors import InvalidInputError, RerankError
from rerank_plugins.options import (
    DOCUMENT_OPTIONS,
    RANKING_OPTIONS,
    RESULT_OPTIONS,
    SCORER_OPTIONS,
    CalibrationOption,
    ListOptions,
    ModelOption,
    ScaleOption,
    SharedOptions,
)
from rerank_plugins.remote.scorer import HttpScorer
from rerank_plugins.reranker import Reranker
from rerank_plugins.results import Statistics
from rerank_plugins.scoring.contract import Scorer
from rerank_plugins.wrappers.documents import check_kind
from rerank_plugins.wrappers.options import DEFAULT_LIMIT, plain_values, reranker_options

_OF_SCORES = ("scale", "calibration")
_SCORING = [*SCORER_OPTIONS.values(), *(RANKING_OPTIONS[name] for name in _OF_SCORES)]
_RANKING = [
    replace(RANKING_OPTIONS["top_k"], name="top_n", default=DEFAULT_LIMIT),
    *(each for name, each in RANKING_OPTIONS.items() if name not in ("top_k", *_OF_SCORES)),
    *DOCUMENT_OPTIONS.values(),
    *RESULT_OPTIONS.values(),
]
_NAMES = [option.name for option in (*_SCORING, *_RANKING)]
_OWN = frozenset((*_NAMES, "scorer"))

Checked: Any = SkipValidation()  # type: ignore[type-arg] # typed for SkipValidation[T] only
"""Marks what the core checks, so that its words and its strictness are the same everywhere."""


class ScoringFieldOptions(ModelOption, SharedOptions, ScaleOption, CalibrationOption, total=False):
    """The arguments of a model with `ScoringFields`."""

    device: str | Sequence[str] | None
    token: SecretStr | str | None
    scorer: Scorer | Mapping[str, Any] | None


class RankingFieldOptions(ScoringFieldOptions, ListOptions, total=False):
    """The arguments of a model with `RankingFields`."""

    top_n: int | None


def _declared(name: str, options: Iterable[Option]) -> type[BaseModel]:
    """A model whose fields are the options."""
    fields: dict[str, Any] = {
        option.name: (
            Annotated[option.type, Checked],
            Field(default=option.default, description=option.description),
        )
        for option in options
    }
    return create_model(name, **fields)


if TYPE_CHECKING:
    _Scoring: TypeAlias = BaseModel
    _Ranking: TypeAlias = BaseModel
else:
    _Scoring = _declared("_Scoring", [option for option in _SCORING if option.name != "token"])
    _Ranking = _declared("_Ranking", _RANKING)


class ScoringFields(_Scoring):
    """The options of a scorer, and those that say what its scores mean, as pydantic fields.

    Fields hold the plain values that the core made of what was given. `token` is a `SecretStr`,
    also where a string was assigned, and is left out of dumps and pickles. What is assigned later
    is checked like the constructor's arguments and takes effect on the next use. A model asks
    `_ready()` for its reranker.

    Raises:
        InvalidInputError: An option is not allowed. What pydantic itself checks, such as the names
            of options, is its `ValidationError`; both are a `ValueError`.
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        extra="forbid",
        hide_input_in_errors=True,  # the token is in it
    )

    token: SecretStr | None = Field(
        default=None, exclude=True, description=SCORER_OPTIONS["token"].description
    )
    scorer: SkipJsonSchema[Annotated[Scorer | Mapping[str, Any] | None, Checked]] = Field(
        default=None,
        description="A ready scorer instead of a model and its options, or the options of an "
        '`HttpScorer`, such as `{"url": "http://localhost:8080"}`.',
    )

    _reranker: Reranker | None = PrivateAttr()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...  # the fields, which are declared elsewhere

    def __init__(self, **values: Any) -> None:
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
        if name in _OWN:  # a framework assigns fields of its own, too
            try:
                self._reranker = self._make_reranker()
            except BaseException as error:
                self.__dict__[name] = before
                is_of_both = all(each in str(error) for each in _OF_SCORES)
                if is_of_both and isinstance(error, InvalidInputError):
                    both = ", ".join(f"{each!r}: ..." for each in _OF_SCORES)
                    message = f"{error} To change both, take model_copy(update={{{both}}})."
                    raise InvalidInputError(message) from None
                raise

    @field_serializer("scorer")
    def _written_scorer(
        self, scorer: Scorer | Mapping[str, Any] | None
    ) -> Mapping[str, Any] | str | None:
        """The options of an `HttpScorer`; of others the name, which no model takes back."""
        if isinstance(scorer, HttpScorer):
            return scorer.to_dict()
        return scorer.name if isinstance(scorer, Scorer) else scorer

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
        copied = super().model_copy(update=update, deep=deep)
        copied.model_post_init(None)
        return copied

    def __copy__(self) -> Self:
        """A copy with a reranker of its own: closing one leaves the other, but for `scorer=`."""
        copied = super().__copy__()
        copied.model_post_init(None)
        return copied

    def __getstate__(self) -> dict[Any, Any]:
        fields, private = dict(self.__dict__), dict(self.__pydantic_private__ or {})
        state = {
            name: dict(part) if isinstance(part, dict) else part
            for name, part in super().__getstate__().items()
        }
        # LlamaIndex deletes what cannot be pickled, and from the model itself too.
        self.__dict__.update(fields)
        (self.__pydantic_private__ or {}).update(private)
        for name, one in (("scorer", "its scorer"), ("cascade", "a scorer of its cascade")):
            if fields.get(name) is not None and name not in state["__dict__"]:
                message = (
                    f"This {type(self).__name__} cannot be pickled: {one} cannot. Give it a model "
                    "and options instead, or a scorer that pickles."
                )
                raise InvalidInputError(message)
        state["__dict__"]["token"] = None
        return state

    @property
    def statistics(self) -> Statistics:
        """How many pairs were scored, and how many were cut, since an option was last assigned.

        With a cascade, these are the pairs of the last model.
        """
        return self._ready().scorer.statistics

    def warm_up(self) -> None:
        """Loads the model now, so that the first request does not wait for it."""
        self._ready().warm_up()

    async def awarm_up(self) -> None:
        """`warm_up` that never blocks the event loop."""
        await self._ready().awarm_up()

    def close(self) -> None:
        """Releases the model, which a later use loads again; a scorer handed in stays open."""
        if (reranker := self._taken()) is not None:
            reranker.close()

    async def aclose(self) -> None:
        """`close` that never blocks the event loop."""
        if (reranker := self._taken()) is not None:
            await reranker.aclose()

    def _taken(self) -> Reranker | None:
        """The reranker, taken from the model: another thread's call makes a new one."""
        reranker, self._reranker = self._reranker, None
        return reranker

    def _ready(self) -> Reranker:
        """The reranker; a new one after `close`."""
        reranker = self._reranker
        if reranker is None:
            reranker = self._reranker = self._make_reranker()
        return reranker

    def _make_reranker(self) -> Reranker:
        """The reranker that the fields describe, whose values are made plain."""
        values = self.__dict__
        token = self._readable_token()
        options = plain_values(
            {name: token if name == "token" else values[name] for name in _NAMES if name in values}
        )
        given = reranker_options(options) if "top_n" in options else options
        reranker = Reranker.from_options(scorer=values["scorer"], **given)
        values.update({**options, "token": values["token"]})
        return reranker

    def _readable_token(self) -> str | None:
        """The token for the core; pydantic does not validate what is assigned, so this does."""
        if isinstance(self.__dict__["token"], str):
            self.__dict__["token"] = SecretStr(self.__dict__["token"])
        token = self.__dict__["token"]
        if token is None:
            return None
        hint = "Pass the token as a string or as a SecretStr."
        return str(check_kind(token, SecretStr, "token", hint).get_secret_value())


class RankingFields(ScoringFields, _Ranking):
    """The options of a reranker and of its results as fields of a pydantic model.

    They are those of `ScoringFields`, those of a ranking (with `top_n` for the core's `top_k`),
    `first_stage_score_field`, `annotate` and `keep_retrieval_score`.
    """

    @field_serializer("cascade", check_fields=False)
    def _with_names(self, cascade: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
        """The stages, with the name of a scorer in its place: a dump cannot hold the scorer."""
        if cascade is None:
            return None
        return [
            {key: one.name if key == "scorer" else one for key, one in stage.items()}
            for stage in cascade
        ]
