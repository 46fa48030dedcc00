"""The scorers that `rerank eval` compares, with their models loaded."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rerank_plugins.cli.errors import show
from rerank_plugins.cli.progress import progress
from rerank_plugins.errors import MissingExtraError, UnsupportedOptionError
from rerank_plugins.messages.names import model_name
from rerank_plugins.reranker import Reranker

if TYPE_CHECKING:
    from rerank_plugins.evaluation import Configuration, ScoreFunction
    from rerank_plugins.evaluation.scorers import TextEncoder
    from rerank_plugins.evaluation.timing import Ask
    from rerank_plugins.results import Plan


@dataclass(frozen=True)
class Scorers:
    """The scorers to compare.

    Attributes:
        functions: Scorers by name; the bi-encoder's cosine comes first, if there is one.
        configurations: Configurations of the cross-encoders and rerankers by name.
        plans: Plans of the cross-encoders by name; `None` for a reranker of more than one.
        rerankers: The cross-encoders as rerankers, and the rerankers, by name.
        cosine: The cosine's name and its encoder.
    """

    functions: Mapping[str, "ScoreFunction"]
    configurations: Mapping[str, "Configuration"]
    plans: Mapping[str, "Plan | None"]
    rerankers: Mapping[str, Reranker]
    cosine: "tuple[str, TextEncoder] | None"

    def alone(self, option: str) -> "dict[str, Configuration]":
        """The models whose scores alone make an order; a note names each of the others.

        Args:
            option: The option of the command that is for these models, and not for the others.
        """
        for name, each in self.configurations.items():
            if each.ranking:
                has = ", ".join(each.ranking)
                show("note", f"{option} leaves {name} as it is, which has {has}")
        return {name: each for name, each in self.configurations.items() if not each.ranking}

    @contextmanager
    def asking(self, resume: Path | None) -> Iterator["Ask"]:
        """Yields the function that asks the scorers; it reuses the scores of an earlier run.

        Args:
            resume: The file that keeps scores; `None` keeps none.

        Raises:
            InvalidInputError: The file cannot keep scores.
        """
        from rerank_plugins.evaluation import ScoreStore
        from rerank_plugins.evaluation.timing import timed_answer

        if resume is None:
            yield timed_answer
            return
        identities = {
            name: f"{each.identity()} {self.plans[name]}"
            for name, each in self.configurations.items()
        }
        if self.cosine is not None:
            name, encoder = self.cosine
            identities[name] = encoder.identity()
        with ScoreStore(resume, identities) as store:
            yield store


@contextmanager
def loaded_scorers(
    configurations: Mapping[str, "Configuration"],
    bi_encoder: str | None,
    encoder: "TextEncoder | None",
) -> Iterator[Scorers]:
    """Loads all models before the first query, yields the scorers, and closes them at the end.

    Combinations that cannot run are left out with a warning, as long as others can.

    Raises:
        ModelError: A model cannot be loaded, or no combination can run.
        MissingExtraError: The packages of no combination are installed.
    """
    from rerank_plugins.evaluation.scorers import CosineScorer

    functions: dict[str, ScoreFunction] = {}
    cosine = None
    if bi_encoder is not None and encoder is not None:
        name = f"{model_name(bi_encoder)} cosine"
        cosine = (f"{name} (bi-encoder)" if name in configurations else name, encoder)
        functions[cosine[0]] = CosineScorer(encoder)
    running: dict[str, Configuration] = {}
    plans: dict[str, Plan | None] = {}
    rerankers: dict[str, Reranker] = {}
    refusals: dict[str, UnsupportedOptionError | MissingExtraError] = {}
    with ExitStack() as stack, progress(len(configurations), "model", "Load") as advance:
        for name, configuration in configurations.items():
            try:
                rerankers[name], functions[name], plans[name] = _loaded(configuration, stack)
            except (UnsupportedOptionError, MissingExtraError) as error:
                refusals[name] = error
            else:
                running[name] = configuration
            advance(1)
        if not running:
            raise next(iter(refusals.values()))
        for name, refusal in refusals.items():
            show("warning", f"{name} is left out: {refusal}")
        yield Scorers(functions, running, plans, rerankers, cosine)


def _loaded(
    configuration: "Configuration", stack: ExitStack
) -> "tuple[Reranker, ScoreFunction, Plan | None]":
    """The reranker, the function that scores, and the plan of a model that is alone."""
    from rerank_plugins.evaluation.rankings import ranking_function
    from rerank_plugins.evaluation.timing import scorer_function

    if configuration.ranking:
        reranker = stack.enter_context(configuration.measured())
        reranker.warm_up()
        return reranker, ranking_function(reranker), None
    scorer = stack.enter_context(configuration.scorer())
    return Reranker(scorer), scorer_function(scorer), scorer.plan()
