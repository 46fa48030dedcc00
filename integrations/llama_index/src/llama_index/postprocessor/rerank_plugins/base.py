"""The node postprocessor: nodes in, the most relevant ones out, best first."""

from contextlib import AbstractContextManager
from typing import Any, Unpack

from llama_index.core.bridge.pydantic import model_validator
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import (
    BaseNode,
    MetadataMode,
    Node,
    NodeWithScore,
    QueryBundle,
    TextNode,
)
from llama_index_instrumentation import get_dispatcher

from llama_index.postprocessor.rerank_plugins._events import Report, reported
from rerank_plugins import InvalidInputError, Passage, Ranked, RankedList
from rerank_plugins.wrappers import (
    RankingFieldOptions,
    RankingFields,
    check_items,
    check_query,
    check_serialisable,
    in_order,
    kept_text,
    moved_places,
    named_scores,
    plain_scorer,
    readable_texts,
    result_metadata,
    without_places,
)

dispatcher = get_dispatcher(__name__)


class CrossEncoderRerank(RankingFields, BaseNodePostprocessor):
    """Keeps the nodes that a cross-encoder finds most relevant to the query, best first.

    The model reads what an embedding model would: `get_content(MetadataMode.EMBED)`. A node without
    text is scored as empty text, with a warning. Nodes come back as copies with the same hash; the
    score is a float on `scale`. Whatever `annotate`, `keep_retrieval_score` and `spans` add to the
    metadata, which gives a node another hash, is excluded from embedding and LLM texts. What an
    earlier reranker annotated is left out. `compress` shortens the text, and moves the node's start
    and end, or unsets them if it leaves an ellipsis.

    Nothing is loaded before the first use. Assigning to a field takes effect on the next use. The
    fields are the core's options, with `top_n` for `top_k`; docs/getting-started.md has a table of
    them.

    Raises:
        ValueError: An option is not allowed.
    """

    def __init__(self, **options: Unpack[RankingFieldOptions]) -> None:
        super().__init__(**options)

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
        again = "pass the scorer again: from_dict(data, scorer=...)."
        scorer = plain_scorer(self.scorer, "A CrossEncoderRerank", again)
        check_serialisable(self.cascade)
        data: dict[str, Any] = super().to_dict(**kwargs)
        return {**data, "scorer": scorer}

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = self._checked_query(query_bundle)
        nodes = check_items(nodes, NodeWithScore, "nodes")
        if not nodes:
            return []
        scores = self._scores(nodes)
        with self._reported(nodes, query) as report:
            texts = _texts(nodes)
            ranking = self._ready().rank(query.query_str, texts, first_stage_scores=scores)
            return report(self._ranked_copies(nodes, texts, ranking))

    @dispatcher.span
    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = self._checked_query(query_bundle)
        nodes = check_items(nodes, NodeWithScore, "nodes")
        if not nodes:
            return []
        scores = self._scores(nodes)
        with self._reported(nodes, query) as report:
            texts = _texts(nodes)
            ranking = await self._ready().arank(query.query_str, texts, first_stage_scores=scores)
            return report(self._ranked_copies(nodes, texts, ranking))

    def _checked_query(self, query_bundle: QueryBundle | None) -> QueryBundle:
        """The query, checked before anything is reported to have started.

        `ContextChatEngine.chat` puts the bundle that it is given into another one.
        """
        while query_bundle is not None and isinstance(query_bundle.query_str, QueryBundle):
            query_bundle = query_bundle.query_str
        if query_bundle is None:
            message = "Missing query bundle in extra info."
            raise InvalidInputError(message)
        check_query(query_bundle.query_str)
        return query_bundle

    def _reported(
        self, nodes: list[NodeWithScore], query: QueryBundle
    ) -> AbstractContextManager[Report]:
        name = self._ready().scorer.name
        return reported(self.callback_manager, nodes, query, top_n=self.top_n, model_name=name)

    def _ranked_copies(
        self, nodes: list[NodeWithScore], texts: list[str], ranking: RankedList
    ) -> list[NodeWithScore]:
        return [
            self._copy(
                nodes[index],
                ranked if isinstance(texts[index], Passage) else without_places(ranked),
            )
            for index, ranked in in_order(ranking)
        ]

    def _scores(self, nodes: list[NodeWithScore]) -> list[Any] | None:
        metadata = [scored.node.metadata for scored in nodes]
        own = [scored.score for scored in nodes]
        return named_scores(self.first_stage_score_field, metadata, "nodes", own=own)

    def _copy(self, scored: NodeWithScore, ranked: Ranked | None) -> NodeWithScore:
        """A copy with the new score; what is added to the metadata shows in no text."""
        node = scored.node
        metadata = result_metadata(
            ranked,
            node.metadata,
            annotate=self.annotate,
            keep_retrieval_score=self.keep_retrieval_score,
            spans=self.spans,
            retrieval_score=scored.score,
            start=getattr(node, "start_char_idx", None),
        )
        hidden = {
            name: _hidden(getattr(node, name), node.metadata, metadata)
            for name in ("excluded_embed_metadata_keys", "excluded_llm_metadata_keys")
        }
        changed = {"metadata": metadata, **hidden, **_compressed(node, ranked)}
        copied = node.model_copy(update=changed)
        return scored.model_copy(update={"node": copied, "score": ranked and ranked.score})


def _hidden(keys: list[str], before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The keys that no text shows, with those that were added and without those that went."""
    kept = [key for key in keys if key in after or key not in before]
    return [*kept, *(key for key in after if key not in before and key not in kept)]


def _texts(nodes: list[NodeWithScore]) -> list[str]:
    return readable_texts((_text(scored.node) for scored in nodes), "nodes")


def _text(node: BaseNode) -> str:
    """What an embedding model would read: a `Passage` if the node's own text is in it.

    The metadata around the text is its header and footer.
    """
    whole: str = node.get_content(metadata_mode=MetadataMode.EMBED)
    text = node.get_content(metadata_mode=MetadataMode.NONE)
    if whole == text:
        return Passage(whole)
    if not text.strip():
        return whole
    # LlamaIndex strips the whole, so what is white around the text may be missing there.
    header, found, footer = whole.rpartition(text.strip())
    lead = text[: len(text) - len(text.lstrip())]
    return Passage(text.rstrip(), header.removesuffix(lead), footer) if found else whole


def _compressed(node: BaseNode, ranked: Ranked | None) -> dict[str, Any]:
    """What `compress` makes of a node's text, and of its place in the document.

    A node that stores another text than the one that it shows stays as it is.
    """
    if ranked is None or ranked.kept is None:
        return {}
    text = node.get_content(metadata_mode=MetadataMode.NONE)
    shorter = kept_text(text, ranked)
    if isinstance(node, Node):  # `Document` is one, too
        stored = node.text_resource
        if stored is None or stored.text != text:
            return {}
        return {"text_resource": stored.model_copy(update={"text": shorter})}
    if not isinstance(node, TextNode) or node.text != text:
        return {}
    places = moved_places(ranked, node.start_char_idx)
    ends = {} if places is None else {"start_char_idx": places[0], "end_char_idx": places[1]}
    return {"text": shorter, **ends}
