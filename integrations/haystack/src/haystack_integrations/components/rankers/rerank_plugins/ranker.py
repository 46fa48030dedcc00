"""The Haystack ranker: documents in, the most relevant ones out, best first."""

from copy import deepcopy
from os import PathLike
from typing import TYPE_CHECKING, Any, Unpack

from haystack import Document, component, default_from_dict, default_to_dict
from haystack.utils import ComponentDevice, Secret
from haystack.utils.auth import EnvVarSecret

from haystack_integrations.components.rankers.rerank_plugins._device import torch_names
from haystack_integrations.components.rankers.rerank_plugins._documents import ranked_copies, texts, unique
from haystack_integrations.components.rankers.rerank_plugins._token import SecretToken
from rerank_plugins import InvalidInputError, Ranked, Reranker, Scorer, ScoreScale, Statistics
from rerank_plugins.wrappers import (
    DEFAULT_LIMIT,
    DEFAULT_MODEL,
    RESULT_OPTIONS,
    SHARED_OPTIONS,
    WRAPPER_OPTIONS,
    WrapperOptions,
    call_options,
    check_items,
    check_kind,
    checked,
    plain_values,
    spelled_out,
)

_TOKEN = Secret.from_env_var(["HF_API_TOKEN", "HF_TOKEN"], strict=False)
_OPTIONS = (*WRAPPER_OPTIONS, "meta_fields_to_embed", "embedding_separator", "scorer")

_OF_HAYSTACK = ("device", "token")
"""The options that are objects of Haystack's."""


@component
class CrossEncoderRanker:
    """
    Ranks documents by their relevance to the query with a cross-encoder, best first.

    Documents come back as copies with the relevance in `score`; nothing else of them is changed unless `annotate` or
    `keep_retrieval_score` ask for more in their meta. A document without text is scored as empty text, with a
    warning. Of documents with the same id, the one with the highest first-stage score is ranked.

    Nothing is loaded before `warm_up`, or the first run. Assigning to an option takes effect on the next use.

    ### Usage example

    ```python
    from haystack import Document
    from haystack_integrations.components.rankers.rerank_plugins import CrossEncoderRanker

    ranker = CrossEncoderRanker(model="embedded", top_k=1)
    documents = [Document(content="Paris is in France."), Document(content="Berlin is in Germany.")]
    print(ranker.run(query="where is berlin", documents=documents)["documents"][0].content)
    ```
    """

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...  # the options, which are declared elsewhere

    @spelled_out
    def __init__(
        self,
        model: str | PathLike[str] = DEFAULT_MODEL,
        *,
        top_k: int | None = DEFAULT_LIMIT,
        meta_fields_to_embed: list[str] | None = None,
        embedding_separator: str = "\n",
        device: ComponentDevice | None = None,
        token: Secret | None = _TOKEN,
        scorer: Scorer | None = None,
        **options: Unpack[WrapperOptions],
    ) -> None:
        """
        Create the ranker. Options are checked now; the model is loaded later.

        :param model: Hub id, local folder, or `"embedded"` for the model that ships with rerank-plugins.
        :param top_k: How many documents to return at most; `None` returns all.
        :param meta_fields_to_embed: Meta fields put before the content; only a missing value or `None` is skipped.
        :param embedding_separator: Joins the meta fields and the content.
        :param device: Where the model runs; `None` lets the backend choose. On several devices (a device map, whose
            names do not matter) the model is loaded for each, and the work is shared out.
        :param token: Hub token, resolved when the model is loaded.
        :param scorer: A ready scorer instead of a model and its options; it cannot be serialised.
        :param options: The other options of `WrapperOptions`, such as `score_threshold`, `scale`, `backend` and
            `max_length`. docs/getting-started.md has a table of them.
        :raises ValueError: If an option is not allowed.
        """
        self._version = 0
        self._made: tuple[Reranker, int] | None = None
        self.__dict__.update(checked(options, SHARED_OPTIONS, type(self).__name__))
        self.model = model
        self.top_k = top_k
        self.meta_fields_to_embed = meta_fields_to_embed
        self.embedding_separator = embedding_separator
        self.device = device
        self.token = token
        self.scorer = scorer
        self._ready()

    def __setattr__(self, name: str, value: Any) -> None:
        """
        Assign an attribute. An option is checked on the next use, and takes effect then.
        """
        self.__dict__[name] = value
        if name in _OPTIONS:
            self._version += 1

    @property
    def statistics(self) -> Statistics:
        """
        How many pairs were scored, and how many of them were cut, since an option was last assigned.
        """
        return self._ready().scorer.statistics

    def warm_up(self) -> None:
        """
        Load the model, once.

        :raises rerank_plugins.ModelError: If the model cannot be loaded; a subclass says why.
        """
        self._ready().warm_up()

    async def warm_up_async(self) -> None:
        """
        Load the model, once, without blocking the event loop.

        :raises rerank_plugins.ModelError: If the model cannot be loaded; a subclass says why.
        """
        await self._ready().awarm_up()

    def close(self) -> None:
        """
        Release the model; a scorer that was handed in stays open. A later run loads it again.
        """
        made, self._made = self._made, None
        if made is not None:
            made[0].close()

    async def close_async(self) -> None:
        """
        Release the model without blocking the event loop. A later run loads it again.
        """
        made, self._made = self._made, None
        if made is not None:
            await made[0].aclose()

    def to_dict(self) -> dict[str, Any]:
        """
        Serialise the ranker's options.

        :returns: A dictionary for `from_dict`, which shares nothing with the ranker.
        :raises ValueError: If the ranker was made with a scorer object, the token is not from the environment, or an
            option was assigned that is not allowed.
        """
        if self.scorer is not None:
            message = (
                "A CrossEncoderRanker with scorer= cannot be serialised. Give it model= and options instead, "
                "or set scorer= again after loading."
            )
            raise InvalidInputError(message)
        self._ready()  # makes plain values of what was assigned since
        return default_to_dict(self, **{name: deepcopy(getattr(self, name)) for name in _OPTIONS})

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "CrossEncoderRanker":
        """
        Make a ranker from what `to_dict` gave.

        :param data: The dictionary; it is not changed.
        :returns: The ranker.
        """
        ranker: CrossEncoderRanker = default_from_dict(cls, deepcopy(data))
        return ranker

    @component.output_types(documents=list[Document])
    def run(
        self,
        query: str,
        documents: list[Document],
        top_k: int | None = None,
        score_threshold: float | None = None,
        scale: ScoreScale | None = None,
    ) -> dict[str, list[Document]]:
        """
        Rank the documents.

        :param query: The query, a question or keywords.
        :param documents: The documents to rank, in the order in which they were found.
        :param top_k: How many documents to return at most, a whole number from 1 up. If `None`, the ranker's own
            setting is used.
        :param score_threshold: Return only documents with at least this score, a number on `scale`: from 0 to 1 for
            `"probability"`, any number for `"logit"`. If `None`, the ranker's own setting is used.
        :param scale: What the scores are: `"probability"`, from 0 (irrelevant) to 1 (relevant), or `"logit"`, the
            model's raw output, any number, higher is better. If `None`, the ranker's own setting is used.
        :returns: A dictionary with `documents`, best first.
        :raises ValueError: If the query is not a string or an option is not allowed.
        """
        given = unique(documents)
        options = call_options(top_k=top_k, score_threshold=score_threshold, scale=scale)
        ranking = self._ready().rank(query, self._texts(given), **options)
        return self._ranked(given, ranking)

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query: str,
        documents: list[Document],
        top_k: int | None = None,
        score_threshold: float | None = None,
        scale: ScoreScale | None = None,
    ) -> dict[str, list[Document]]:
        """
        Rank the documents without blocking the event loop; parameters and result are those of `run`.
        """
        given = unique(documents)
        options = call_options(top_k=top_k, score_threshold=score_threshold, scale=scale)
        ranking = await self._ready().arank(query, self._texts(given), **options)
        return self._ranked(given, ranking)

    def _ranked(self, documents: list[Document], ranking: list[Ranked]) -> dict[str, list[Document]]:
        options = {name: getattr(self, name) for name in RESULT_OPTIONS}
        return {"documents": ranked_copies(documents, ranking, **options)}

    def _texts(self, documents: list[Document]) -> list[str]:
        return texts(documents, self.meta_fields_to_embed or [], self.embedding_separator)

    def __getstate__(self) -> dict[str, Any]:
        """
        What is pickled: all options but a token that is written out in the secret.
        """
        token = self.token
        kept = token if isinstance(token, EnvVarSecret) else None
        return {**self.__dict__, "token": kept, "_made": None}

    def __deepcopy__(self, memo: dict[int, Any]) -> "CrossEncoderRanker":
        """
        A copy in this process, which keeps the token.
        """
        copied = memo[id(self)] = object.__new__(type(self))
        copied.__dict__.update(deepcopy({**self.__dict__, "_made": None}, memo))
        return copied

    def __copy__(self) -> "CrossEncoderRanker":
        """
        A ranker of its own, which keeps the token and is in no pipeline yet.
        """
        return type(self)(**{name: getattr(self, name) for name in _OPTIONS})

    def _get_telemetry_data(self) -> dict[str, Any]:
        return {"model": self._ready().scorer.name}

    def _ready(self) -> Reranker:
        """
        The reranker; a new one after `close`, and where an option was assigned.
        """
        made, version = self._made, self._version  # another thread may close the ranker meanwhile
        if made is None or made[1] != version:
            made = self._made = self._make(), version
        return made[0]

    def _make(self) -> Reranker:
        """
        The reranker of the options, whose values are made plain.
        """
        self.__dict__["meta_fields_to_embed"] = check_items(
            self.meta_fields_to_embed or [], str, "meta_fields_to_embed"
        )
        check_kind(self.embedding_separator, str, "embedding_separator")
        given = {name: self.__dict__[name] for name in WRAPPER_OPTIONS}
        plain = plain_values({name: value for name, value in given.items() if name not in _OF_HAYSTACK})
        device: Any = self.device
        token: Any = self.token
        if device is not None:
            hint = "Pass ComponentDevice.from_str('cpu'), or None to let the backend choose."
            device = torch_names(check_kind(device, ComponentDevice, "device", hint))
        if token is not None:
            hint = "Pass Secret.from_env_var('HF_TOKEN') or Secret.from_token(...)."
            token = SecretToken(check_kind(token, Secret, "token", hint))
        options = {name: value for name, value in plain.items() if name not in RESULT_OPTIONS}
        reranker = Reranker.from_options(
            **options, device=device, token=None if self.scorer else token, scorer=self.scorer
        )
        self.__dict__.update(plain)
        return reranker
