"""The first stage of `rerank eval`, with progress bars for slow steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rerank_plugins.cli.errors import show
from rerank_plugins.cli.eval.options import FirstStage
from rerank_plugins.cli.progress import progress
from rerank_plugins.cli.trec import show_ties
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.formats import read_run

if TYPE_CHECKING:
    from rerank_plugins.cli.eval.inputs import Source
    from rerank_plugins.evaluation import JudgedCollection
    from rerank_plugins.evaluation.first_stage import Candidates
    from rerank_plugins.evaluation.scorers import TextEncoder


def stage_of(
    kind: FirstStage | None,
    unless_given: FirstStage | None,
    run: Path | None,
    bi_encoder: str | None,
    depth: int | None,
    otherwise: int,
    scorer: Mapping[str, Any],
    sources: int,
) -> "Stage":
    """The first stage that was asked for.

    Args:
        kind: The method as it was typed.
        unless_given: The method if neither it nor a run was typed.
        run: A TREC run.
        bi_encoder: The model of the dense and fused methods.
        depth: Candidates per query, as typed.
        otherwise: Candidates per query if none were typed.
        scorer: The options of scorers, of which those of loading are for the bi-encoder too.
        sources: The number of collections.

    Raises:
        typer.BadParameter: They do not go together.
    """
    from rerank_plugins.evaluation.scorers import TextEncoder

    if run is not None and sources > 1:
        message = "--run belongs to one collection; give only one."
        raise typer.BadParameter(message)
    if run is not None and kind is not None:
        message = "--run is a first stage itself; leave out --first-stage."
        raise typer.BadParameter(message)
    if depth is not None and kind is FirstStage.judged:
        message = "--first-stage judged takes all judged passages; leave out --depth."
        raise typer.BadParameter(message)
    if bi_encoder is None and kind in (FirstStage.dense, FirstStage.fused):
        message = (
            "--first-stage dense and fused need --bi-encoder, for example "
            "--bi-encoder sentence-transformers/all-MiniLM-L6-v2."
        )
        raise typer.BadParameter(message)
    where = {name: scorer[name] for name in ("device", "local_files_only")}
    encoder = None if bi_encoder is None else TextEncoder(bi_encoder, **where)
    return Stage(kind or unless_given, depth or otherwise, run, encoder)


@dataclass(frozen=True)
class Stage:
    """A first stage, which finds the candidates of each query.

    Attributes:
        kind: The method; `None` takes the candidates in the dataset, or BM25 if it has none.
        depth: Candidates per query.
        run: A TREC run to take the candidates from instead.
        encoder: The encoder of the dense and fused methods.
    """

    kind: FirstStage | None
    depth: int
    run: Path | None = None
    encoder: "TextEncoder | None" = None

    def candidates(
        self, source: "Source", collection: "JudgedCollection"
    ) -> "tuple[str, Candidates]":
        """Returns the first stage's name and the candidates of each query.

        Raises:
            InvalidInputError: The run, the judgements or the dataset have no candidates.
        """
        from rerank_plugins.evaluation import first_stage as stages

        if self.run is not None:
            run = read_run(self.run)
            show_ties(str(self.run), run)
            lacking = len(set(collection.queries) - set(run))
            if lacking:
                show(
                    "warning",
                    f"{self.run} has no candidates for {lacking} of the "
                    f"{len(collection.queries)} queries of {collection.name}; they count as 0",
                )
            return self.run.name, stages.given_candidates(collection, run, self.depth)
        if self.kind is FirstStage.judged:
            return self.kind, stages.judged_candidates(collection)
        if self.kind in (None, FirstStage.scoreddocs):
            given = self._given(source, collection)
            if given is not None:
                return FirstStage.scoreddocs, given
        if self.kind is FirstStage.dense:
            return self.kind, self._dense(collection)
        lexical = self._lexical(collection)
        if self.kind is FirstStage.fused:
            return self.kind, stages.fused_candidates(
                [lexical, self._dense(collection)], self.depth
            )
        return FirstStage.bm25, lexical

    def _given(self, source: "Source", collection: "JudgedCollection") -> "Candidates | None":
        from rerank_plugins.evaluation.datasets import dataset_candidates

        found = None
        if source.dataset_id is not None:
            found = dataset_candidates(source.dataset_id, collection, self.depth)
        if found is None and self.kind is FirstStage.scoreddocs:
            message = (
                f"{collection.name} comes without candidates (scoreddocs). Choose another first "
                "stage, for example --first-stage bm25."
            )
            raise InvalidInputError(message)
        return found

    def _lexical(self, collection: "JudgedCollection") -> "Candidates":
        from rerank_plugins.evaluation.first_stage import bm25_candidates

        with progress(len(collection.queries), "query", f"BM25 {collection.name}") as advance:
            return bm25_candidates(collection, self.depth, on_step=advance)

    def _dense(self, collection: "JudgedCollection") -> "Candidates":
        from rerank_plugins.evaluation.first_stage import dense_candidates

        if self.encoder is None:
            message = "dense and fused need an encoder. Give --bi-encoder."
            raise InvalidInputError(message)
        with progress(len(collection.passages), "text", f"Encode {collection.name}") as advance:
            return dense_candidates(
                collection,
                self.encoder.passages,
                self.depth,
                query_encoder=self.encoder.queries,
                on_step=advance,
            )
