"""The node postprocessor: nodes in, the most relevant ones out, best first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from llama_index.core.bridge.pydantic import (
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    model_validator,
)
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation.events.exception import ExceptionEvent
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from llama_index_instrumentation import get_dispatcher
from pydantic import SkipValidation
from pydantic.json_schema import SkipJsonSchema

from rerank_plugins import InvalidInputError, Ranked, Reranker, Scorer, ScoreScale
from rerank_plugins.wrappers import OptionFields, check_items, readable_texts, result_metadata

dispatcher = get_dispatcher(__name__)

# The core checks these, so that its words and its strictness are the same in every framework.
Checked: Any = SkipValidation()  # type: ignore[type-arg] # typed for SkipValidation[T] only


class CrossEncoderRerank(OptionFields, BaseNodePostprocessor):
    """Keeps the nodes that a cross-encoder finds most relevant to the query, best first.

    The model reads what an embedding model would: `get_content(MetadataMode.EMBED)`. A node without
    text is scored as empty text, with a warning. Nodes come back as copies with the same hash; the
    score is a float on `scale`. Whatever `annotate` and `keep_retrieval_score` add to the metadata,
    which gives a node another hash, is excluded from embedding and LLM texts.

    Nothing is loaded before the first use. Assigning to a field takes effect on the next use.

    Raises:
        ValueError: An option is not allowed.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)  # the token is in it

    model: Annotated[str, Checked] = Field(
        default="cross-encoder/ms-marco-MiniLM-L4-v2",
        description='Hub id, local directory (a path is fine), or "embedded".',
    )
    top_n: Annotated[int | None, Checked] = Field(
        default=10, description="How many nodes to keep at most; None keeps all."
    )
    score_threshold: Annotated[float | None, Checked] = Field(
        default=None, description="Keep only nodes with at least this score, on `scale`."
    )
    scale: Annotated[ScoreScale, Checked] = Field(
        default="probability", description='"probability" or "logit": what the scores are.'
    )
    annotate: Annotated[bool, Checked] = Field(
        default=False,
        description="Add `relevance_score_scale` and `relevance_truncated` to the copied metadata.",
    )
    keep_retrieval_score: Annotated[bool, Checked] = Field(
        default=False, description="Keep the first stage's score in the copied metadata."
    )
    device: Annotated[str | list[str] | None, Checked] = Field(
        default=None,
        description='"cpu", "cuda:1" ...; None: the backend chooses; a list shares the work out.',
    )
    backend: Annotated[str, Checked] = Field(
        default="auto", description='"auto", "torch", "onnx" or "openvino".'
    )
    precision: Annotated[str | None, Checked] = Field(
        default=None,
        description='"auto", "fp32", "bf16", "fp16" or "int8"; None: fp32, or a bundle\'s own.',
    )
    revision: Annotated[str | None, Checked] = Field(
        default=None, description="Branch, tag or commit of a hub model."
    )
    max_length: Annotated[int | None, Checked] = Field(
        default=None, description="Tokens of query and node together; longer pairs are cut."
    )
    max_batch_tokens: Annotated[int | None, Checked] = Field(
        default=None, description="Tokens per batch, padding included."
    )
    prompt: Annotated[str | None, Checked] = Field(
        default=None, description="Instruction put before the query."
    )
    query_prefix: Annotated[str, Checked] = Field(default="", description="Put before queries.")
    passage_prefix: Annotated[str, Checked] = Field(default="", description="Put before nodes.")
    label: Annotated[int | str | None, Checked] = Field(
        default=None, description="Column to score by, where the model's head has several."
    )
    local_files_only: Annotated[bool, Checked] = Field(
        default=False, description="Never ask the hub."
    )
    token: SecretStr | None = Field(
        default=None, exclude=True, description="Hub token; left out of dumps and pickles."
    )
    cache_folder: Annotated[str | None, Checked] = Field(
        default=None, description="Where hub models are kept."
    )
    trust_remote_code: Annotated[bool, Checked] = Field(
        default=False, description="Run model code that comes with a hub model."
    )
    progress_bar: Annotated[bool, Checked] = Field(
        default=False, description="Show a bar over the nodes of a call."
    )
    timeout: Annotated[float | None, Checked] = Field(
        default=None, description="Seconds after which a call fails with ScoringTimeoutError."
    )
    max_queue_pairs: Annotated[int | None, Checked] = Field(
        default=100_000,
        description="Pairs of all calls that may wait for the model; more are refused.",
    )
    scorer: SkipJsonSchema[Annotated[Scorer | None, Checked]] = Field(
        default=None, exclude=True, description="A ready scorer instead of a model."
    )

    _reranker: Reranker | None = PrivateAttr()

    @model_validator(mode="before")
    @classmethod
    def _without_class_name(cls, values: Any) -> Any:
        """Takes what `model_dump` gave: it writes the class's name beside the fields."""
        if isinstance(values, dict) and values.get("class_name") == cls.class_name():
            return {name: value for name, value in values.items() if name != "class_name"}
        return values

    @classmethod
    def class_name(cls) -> str:
        """The name in serialised forms."""
        return "CrossEncoderRerank"

    def to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """The options without the token, for `from_dict`.

        Raises:
            ValueError: A scorer object was given, which cannot be written down.
        """
        if self.scorer is not None:
            message = (
                "A CrossEncoderRerank with scorer= cannot be serialised. Give it model= and "
                "options instead, or pass the scorer again: from_dict(data, scorer=...)."
            )
            raise InvalidInputError(message)
        data: dict[str, Any] = super().to_dict(**kwargs)
        return data

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = self._checked_query(query_bundle)
        nodes = check_items(nodes, NodeWithScore, "nodes")
        if not nodes:
            return []
        with self._reported(nodes, query) as report:
            ranking = self._ready().rank(query.query_str, _texts(nodes))
            return report(self._ranked_copies(nodes, ranking))

    @dispatcher.span
    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = self._checked_query(query_bundle)
        nodes = check_items(nodes, NodeWithScore, "nodes")
        if not nodes:
            return []
        with self._reported(nodes, query) as report:
            ranking = await self._ready().arank(query.query_str, _texts(nodes))
            return report(self._ranked_copies(nodes, ranking))

    def _checked_query(self, query_bundle: QueryBundle | None) -> QueryBundle:
        """The query, checked before anything is reported to have started.

        `ContextChatEngine.chat` puts the bundle that it is given into another one.
        """
        while query_bundle is not None and isinstance(query_bundle.query_str, QueryBundle):
            query_bundle = query_bundle.query_str
        if query_bundle is None:
            message = "Missing query bundle in extra info."
            raise InvalidInputError(message)
        self._ready().rank(query_bundle.query_str, [])
        return query_bundle

    @contextmanager
    def _reported(
        self, nodes: list[NodeWithScore], query: QueryBundle
    ) -> Iterator[Callable[[list[NodeWithScore]], list[NodeWithScore]]]:
        """Events of the instrumentation, and of the callbacks that older tracers read."""
        top_n = len(nodes) if self.top_n is None else self.top_n
        name = self._ready().scorer.name
        start = ReRankStartEvent(query=query, nodes=nodes, top_n=top_n, model_name=name)
        payload: dict[Any, Any] = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: name,
            EventPayload.QUERY_STR: query.query_str,
            EventPayload.TOP_K: top_n,
        }
        dispatcher.event(start)
        with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:

            def report(ranked: list[NodeWithScore]) -> list[NodeWithScore]:
                event.on_end(payload={EventPayload.NODES: ranked})
                dispatcher.event(ReRankEndEvent(nodes=ranked))
                return ranked

            try:
                yield report
            except BaseException as error:
                dispatcher.event(ExceptionEvent(exception=error))
                raise

    def _ranked_copies(
        self, nodes: list[NodeWithScore], ranking: list[Ranked]
    ) -> list[NodeWithScore]:
        return [self._copy(nodes[ranked.index], ranked) for ranked in ranking]

    def _copy(self, scored: NodeWithScore, ranked: Ranked) -> NodeWithScore:
        """A copy with the new score; what is added to the metadata shows in no text."""
        node = scored.node
        added = result_metadata(
            ranked,
            node.metadata,
            annotate=self.annotate,
            keep_retrieval_score=self.keep_retrieval_score,
            retrieval_score=scored.score,
        )
        hidden = {
            name: [*getattr(node, name), *(key for key in added if key not in getattr(node, name))]
            for name in ("excluded_embed_metadata_keys", "excluded_llm_metadata_keys")
        }
        copied = node.model_copy(update={"metadata": {**node.metadata, **added}, **hidden})
        return scored.model_copy(update={"node": copied, "score": ranked.score})


def _texts(nodes: list[NodeWithScore]) -> list[str]:
    texts = (scored.node.get_content(metadata_mode=MetadataMode.EMBED) for scored in nodes)
    return readable_texts(texts, "nodes")
