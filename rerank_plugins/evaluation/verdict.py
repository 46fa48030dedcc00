"""Says in a few plain sentences whether reranking helps, from the measured figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from rerank_plugins.evaluation.comparison import Comparison, Order
from rerank_plugins.evaluation.judged import FIRST, not_judged
from rerank_plugins.evaluation.measures import Change, change, mean_name
from rerank_plugins.evaluation.pareto import tradeoffs

Answer = Literal["yes", "partly", "worse", "unclear", "same", "unknown"]
"""Better, better on some collections only, worse, a difference that may be luck, no difference,
nothing relevant to find."""

SIGNIFICANT = 0.05
FEW_QUERIES = 50
"""TREC's usual number; with fewer, a different set of queries easily changes the answer."""

_FEWEST_QUERIES = 6
"""With fewer changed queries no paired test can reach p = 0.05, because 2 / 2**5 exceeds it."""

_SMALL = 0.01
_MORE_NOT_JUDGED = 0.1
_NAMED = 3

_ON: dict[Answer, str] = {
    "yes": "helps on",
    "worse": "makes the order worse on",
    "unclear": "makes a difference that may be luck on",
    "same": "changes nothing on",
    "unknown": "cannot be judged on",
}


@dataclass(frozen=True)
class Verdict:
    """An answer and its reasons.

    Attributes:
        answer: The answer for programs.
        headline: The answer in one sentence.
        reasons: The figures behind it, as sentences.
    """

    answer: Answer
    headline: str
    reasons: tuple[str, ...]

    @property
    def text(self) -> str:
        """All sentences."""
        return " ".join((self.headline, *self.reasons))


def verdict(comparison: Comparison) -> Verdict:
    """Returns whether the best scorer helps on a collection, by how much, and at what cost."""
    name = comparison.collection.name
    measure = comparison.measures[0]
    if not comparison.ceiling:
        return Verdict(
            "unknown",
            f"No answer: nothing that is judged relevant is among the candidates on {name}.",
            (
                "No order of them is better than another. Check that the ids of the judgements "
                "are the corpus's, or take more candidates or another first stage.",
            ),
        )
    best, *others = sorted(
        comparison.reranked, key=lambda order: (-order.mean(measure), order.latency().p50)
    )
    before = comparison.first_stage
    moved = change(before.values[measure], best.values[measure])
    answer = _answer(moved, len(comparison.reranked))
    reasons = [
        _figures(comparison, best, moved),
        _won_and_lost(moved.better, moved.worse, moved.unchanged),
        f"Reranking takes {duration(best.latency().p50)} per query (median) for up to "
        f"{comparison.depth} candidates.",
        *_doubts(comparison, best, moved, answer),
        *(_next_best(best, other, measure) for other in others[:1]),
    ]
    return Verdict(answer, _headline(answer, moved, name), tuple(reasons))


def overall(comparisons: Sequence[Comparison]) -> Verdict:
    """Returns the answer over all collections, about the scorer with the best mean over them.

    If it helps on some collections only, the answer is `partly`. If it helps on none, the answer is
    the first that holds on one of them: `worse`, `unclear`, `same`, `unknown`.
    """
    if len(comparisons) == 1:
        return verdict(comparisons[0])
    measure, scorers = comparisons[0].measures[0], len(comparisons[0].reranked)
    best = max(tradeoffs(comparisons), key=lambda each: (each.quality, -each.seconds))
    orders = [each.order(best.name) for each in comparisons]
    changes = [
        change(c.first_stage.values[measure], o.values[measure])
        for c, o in zip(comparisons, orders, strict=True)
    ]
    names: dict[Answer, list[str]] = {}
    for comparison, moved in zip(comparisons, changes, strict=True):
        found = _answer(moved, scorers) if comparison.ceiling else "unknown"
        names.setdefault(found, []).append(comparison.collection.name)
    groups = [(answer, names[answer]) for answer in _ON if answer in names]
    says = "; ".join(f"{_ON[answer]} {_listed(on, len(comparisons))}" for answer, on in groups)
    answer: Answer = groups[0][0]  # the first one in the order of _ON
    if answer == "yes" and len(groups) > 1:
        answer = "partly"
    start = {"yes": "Yes", "partly": "Partly", "worse": "No", "same": "No"}.get(answer, "Not shown")
    level = fmean(comparison.first_stage.mean(measure) for comparison in comparisons)
    return Verdict(
        answer,
        f"{start}: reranking{f' with {best.name}' * (scorers > 1)} {says}.",
        (
            f"On the mean of the collections, "
            f"{_movement(_of_several(best.name, scorers), measure, level, best.quality)} "
            f"({100 * (best.quality - level):+.1f}).",
            _won_and_lost(
                sum(each.better for each in changes),
                sum(each.worse for each in changes),
                sum(each.unchanged for each in changes),
            ),
            f"Reranking takes {duration(best.seconds)} per query (median) for up to "
            f"{max(c.depth for c in comparisons)} candidates.",
            *_cut(best.name, orders),
        ),
    )


def duration(seconds: float) -> str:
    """A time in seconds or milliseconds, rounded for a reader."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{1000 * seconds:.0f} ms" if seconds >= 0.01 else f"{1000 * seconds:.1f} ms"


def share(part: float | None) -> str:
    """A share from 0 to 1 in percent; only exact values are shown as 0% or 100%."""
    if part is None:
        return "not known"
    if 0 < part < 0.01:
        return "less than 1%"
    return "more than 99%" if 0.99 < part < 1 else f"{part:.0%}"


def counted(queries: int) -> str:
    """A number of queries in words."""
    return "one query" if queries == 1 else f"{queries} queries"


def _answer(moved: Change, scorers: int) -> Answer:
    if not moved.better and not moved.worse:
        return "same"
    # Picking the best of several scorers favours lucky ones, so p must be lower (Bonferroni). If
    # even the best one is worse than the first stage, no such correction is needed.
    chances = scorers if moved.mean > 0 else 1
    if moved.p_value * chances > SIGNIFICANT:
        return "unclear"
    return "yes" if moved.mean > 0 else "worse"


def _headline(answer: Answer, moved: Change, name: str) -> str:
    if answer == "yes":
        return f"Yes{', a little' * (moved.mean < _SMALL)}: reranking helps on {name}."
    return {
        "worse": f"No: reranking makes the order worse on {name}.",
        "same": f"No: reranking changes nothing on {name}.",
    }.get(answer, f"Not shown: the difference on {name} may be luck.")


def _movement(name: str, measure: str, before: float, after: float) -> str:
    verb = "raises" if after > before else "lowers" if after < before else "leaves"
    at = f"from {100 * before:.1f} to {100 * after:.1f}" if after != before else "as it is"
    return f"{name} {verb} {mean_name(measure)} {at}"


def _figures(comparison: Comparison, best: Order, moved: Change) -> str:
    measure, scorers = comparison.measures[0], len(comparison.reranked)
    name = _of_several(best.name, scorers)
    means = comparison.first_stage.mean(measure), best.mean(measure)
    by = f"{100 * moved.mean:+.1f}, {_p_value(moved)}"
    return f"{_movement(name, measure, *means)} ({by})."


def _of_several(name: str, scorers: int) -> str:
    return name if scorers == 1 else f"{name}, the best of {scorers} orders,"


def _p_value(moved: Change) -> str:
    return "p < 0.001" if moved.p_value < 0.001 else f"p = {moved.p_value:.3f}"


def _won_and_lost(better: int, worse: int, same: int) -> str:
    return (
        f"Of {counted(better + worse + same)}, {better} won (a better order), {worse} lost (a "
        f"worse one), {same} tied."
    )


def _doubts(comparison: Comparison, best: Order, moved: Change, answer: Answer) -> list[str]:
    """Reasons to doubt the answer."""
    scorers = len(comparison.reranked)
    doubts = []
    if answer == "unclear" and moved.better + moved.worse < _FEWEST_QUERIES:
        doubts.append(f"Fewer than {_FEWEST_QUERIES} queries that moved cannot rule out luck.")
    elif answer == "unclear" and moved.p_value <= SIGNIFICANT:
        doubts.append(
            f"One of {scorers} orders was picked, so p would have to be "
            f"{SIGNIFICANT / scorers:.3f} or less."
        )
    elif answer == "unclear":
        doubts.append("More queries would tell.")
    if moved.queries < FEW_QUERIES:
        doubts.append(
            f"There are only {counted(moved.queries)}: take the answer as a hint, and ask "
            f"{FEW_QUERIES} or more."
        )
    hidden = [not_judged(comparison.collection, o) for o in (comparison.first_stage, best)]
    if answer != "yes" and hidden[1] - hidden[0] >= _MORE_NOT_JUDGED:
        doubts.append(
            f"Of the first {FIRST} after reranking, {share(hidden[1])} are not judged (before: "
            f"{share(hidden[0])}). They count as not relevant, so it may be better than it looks."
        )
    return [*doubts, *_cut(best.name, [best])]


def _cut(name: str, orders: Sequence[Order]) -> list[str]:
    """A sentence about passages read only in part; none if there are none or it is not known."""
    known = [order.cut for order in orders if order.cut is not None]
    read = sum(order.read_last for order in orders)
    if len(known) < len(orders) or not sum(known):
        return []
    part = share(sum(known) / read)
    return [f"{name} read {part} of the passages only in part: they are longer than it reads."]


def _next_best(best: Order, other: Order, measure: str) -> str:
    gained = change(other.values[measure], best.values[measure])
    luck = "is more than luck" if gained.p_value <= SIGNIFICANT else "may be luck"
    return (
        f"The next best, {other.name}, has {100 * other.mean(measure):.1f} and takes "
        f"{duration(other.latency().p50)}; the difference between the two {luck} "
        f"({_p_value(gained)})."
    )


def _listed(names: Sequence[str], of: int) -> str:
    if len(names) == of:
        return "both collections" if of == 2 else f"all {of} collections"
    return ", ".join(names) if len(names) <= _NAMED else f"{len(names)} of {of} collections"
