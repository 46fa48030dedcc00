"""The Haystack ranker: documents in, the most relevant ones out, best first."""

from copy import deepcopy
from os import PathLike
from typing import Any, Unpack

from haystack import Document, component, default_from_dict, default_to_dict
from haystack.utils import ComponentDevice, Secret

from haystack_integrations.components.rankers.rerank_plugins._documents import (
    first_stage_scores,
    ranked_copies,
    texts,
    unique,
)
from haystack_integrations.components.rankers.rerank_plugins._options import OPTIONS, OptionAttributes
from haystack_integrations.components.rankers.rerank_plugins._token import DEFAULT_TOKEN
from rerank_plugins import RankedList, Scorer, ScoreScale
from rerank_plugins.wrappers import (
    DEFAULT_LIMIT,
    DEFAULT_MODEL,
    RESULT_OPTIONS,
    SHARED_OPTIONS,
    WrapperOptions,
    call_options,
    check_serialisable,
    checked,
    plain_scorer,
    spelled_out,
)


@component
class CrossEncoderRanker(OptionAttributes):
    """
    Ranks documents by their relevance to the query with a cross-encoder, best first.

    Documents come back as copies with the relevance in `score`; nothing else of them is changed unless `annotate`,
    `keep_retrieval_score` or `spans` ask for more in their meta, or `compress` for a shorter content. What an earlier
    ranker annotated is left out. A document without text is scored as empty text, with a warning. Of documents with the
    same id, the one with the highest first-stage score is ranked.

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

    @spelled_out
    def __init__(
        self,
        model: str | PathLike[str] = DEFAULT_MODEL,
        *,
        top_k: int | None = DEFAULT_LIMIT,
        meta_fields_to_embed: list[str] | None = None,
        embedding_separator: str = "\n",
        device: ComponentDevice | None = None,
        token: Secret | None = DEFAULT_TOKEN,
        scorer: Scorer | dict[str, Any] | None = None,
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
        :param token: Hub token, resolved when the model is loaded. Beside `scorer`, it is that of the models that
            `cascade` names.
        :param scorer: A ready scorer instead of a model and its options; only an `HttpScorer` can be serialised. Its
            options in a dictionary, such as `{"url": "http://localhost:8080"}`, are taken too.
        :param options: The other options of `WrapperOptions`, such as `score_threshold`, `scale`, `backend` and
            `max_length`. docs/getting-started.md has a table of them.
        :raises ValueError: If an option is not allowed.
        """
        self.__dict__.update(checked(options, SHARED_OPTIONS, type(self).__name__))
        self.model = model
        self.top_k = top_k
        self.meta_fields_to_embed = meta_fields_to_embed
        self.embedding_separator = embedding_separator
        self.device = device
        self.token = token
        self.scorer = scorer
        self._ready()

    def to_dict(self) -> dict[str, Any]:
        """
        Serialise the ranker's options.

        :returns: A dictionary for `from_dict`, which shares nothing with the ranker.
        :raises ValueError: If the ranker was made with a scorer object, the token is not from the environment, or an
            option was assigned that is not allowed.
        """
        again = "set scorer= again after loading."
        scorer = plain_scorer(self.scorer, "A CrossEncoderRanker", again)
        self._ready()  # makes plain values of what was assigned since
        check_serialisable(self.cascade)
        options = {name: getattr(self, name) for name in OPTIONS} | {"scorer": scorer}
        return default_to_dict(self, **deepcopy(options))

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
        time_budget: float | None = None,
    ) -> dict[str, list[Document]]:
        """
        Rank the documents.

        :param query: The query, a question or keywords.
        :param documents: The documents to rank, in the order in which they were found.
        :param top_k: How many documents to return at most, a whole number from 1 up. If `None`, the ranker's own
            setting is used.
        :param score_threshold: Return only documents with at least this score, a number on `scale`: from 0 to 1 for
            `"probability"`, any number for `"logit"`. If `None`, the ranker's own setting is used.
        :param scale: What the scores are: `"probability"`, from 0 (irrelevant) to 1 (relevant), `"logit"`, the
            model's raw output, any number, higher is better, or `"calibrated"`, how often such a document is relevant,
            which needs a ranker with a calibration. If `None`, the ranker's own setting is used.
        :param time_budget: Seconds to score in. Documents that are not scored by then come last, in the order in which
            they were found, with no score. If `None`, the ranker's own setting is used.
        :returns: A dictionary with `documents`, best first.
        :raises ValueError: If the query is not a string or an option is not allowed.
        """
        given = self._unique(documents)
        options = call_options(top_k=top_k, score_threshold=score_threshold, scale=scale, time_budget=time_budget)
        scores = self._scores(given)
        ranking = self._ready().rank(query, self._texts(given), first_stage_scores=scores, **options)
        return self._ranked(given, ranking)

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query: str,
        documents: list[Document],
        top_k: int | None = None,
        score_threshold: float | None = None,
        scale: ScoreScale | None = None,
        time_budget: float | None = None,
    ) -> dict[str, list[Document]]:
        """
        Rank the documents without blocking the event loop; parameters and result are those of `run`.
        """
        given = self._unique(documents)
        options = call_options(top_k=top_k, score_threshold=score_threshold, scale=scale, time_budget=time_budget)
        scores = self._scores(given)
        ranking = await self._ready().arank(query, self._texts(given), first_stage_scores=scores, **options)
        return self._ranked(given, ranking)

    def _ranked(self, documents: list[Document], ranking: RankedList) -> dict[str, list[Document]]:
        options = {name: getattr(self, name) for name in RESULT_OPTIONS}
        return {"documents": ranked_copies(documents, ranking, spans=self.spans, **options)}

    def _unique(self, documents: list[Document]) -> list[Document]:
        return unique(documents, self.first_stage_score_field, higher_is_better=self.higher_is_better)

    def _scores(self, documents: list[Document]) -> list[Any] | None:
        return first_stage_scores(documents, self.first_stage_score_field)

    def _texts(self, documents: list[Document]) -> list[str]:
        return texts(documents, self.meta_fields_to_embed or [], self.embedding_separator)
