"""Asks the peers in turn, all others waiting meanwhile."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from benchmarks.peers.catalogue import Peer
from benchmarks.peers.process import Answer, PeerFailedError

PAUSE_SECONDS = 0.3
"""Between two calls: longer than the threads of a thread pool keep turning for new work."""


class Asked(Protocol):
    """A loaded peer."""

    versions: dict[str, str]

    def ask(self, query: str, passages: list[str]) -> Answer:
        """Has the passages scored."""


@dataclass(frozen=True, slots=True)
class Row:
    """What the report says about a peer.

    Attributes:
        peer: Which one.
        versions: Of its packages.
        seconds: Of each call, over rounds and queries.
        error: Largest difference of a logit from the baseline's.
        tau: Kendall's tau to the baseline, mean over queries.
        idle: Largest share of a processor used while waiting.
    """

    peer: Peer
    versions: Mapping[str, str]
    seconds: Sequence[float]
    error: float
    tau: float
    idle: float


def measure(
    loaded: Mapping[str, tuple[Peer, Asked]],
    queries: Sequence[str],
    passages: list[str],
    rounds: int,
    failed: Callable[[str, str], None],
    pause: float = PAUSE_SECONDS,
) -> list[Row]:
    """Measures the peers by name, the baseline first; those that fail on the way are reported.

    Raises:
        PeerFailedError: The baseline failed.
    """
    answers: dict[str, list[Answer]] = {name: [] for name in loaded}
    for number in range(rounds + 1):  # the first warms up and is compared, but not timed
        for turn, query in enumerate(queries):
            # New passages each time, for those who keep what they tokenized.
            new = [f"{passage} {number}.{turn}" for passage in passages]
            for name in list(answers):
                time.sleep(pause)
                try:
                    answers[name].append(loaded[name][1].ask(query, new))
                except PeerFailedError as error:
                    if name == next(iter(loaded)):
                        raise
                    del answers[name]
                    failed(name, str(error))
    count = len(queries)
    logits = {
        name: [_logits(loaded[name][0], answer) for answer in found[:count]]
        for name, found in answers.items()
    }
    reference = next(iter(logits.values()))
    return [
        Row(
            peer=loaded[name][0],
            versions=loaded[name][1].versions,
            seconds=[answer.seconds for answer in found[count:]],
            error=max(
                float(np.abs(mine - theirs).max())
                for mine, theirs in zip(logits[name], reference, strict=True)
            ),
            tau=statistics.mean(
                float(kendalltau(mine, theirs).statistic)
                for mine, theirs in zip(logits[name], reference, strict=True)
            ),
            idle=max(answer.idle for answer in found[count:]),
        )
        for name, found in answers.items()
    ]


def _logits(peer: Peer, answer: Answer) -> NDArray[np.float64]:
    scores = np.asarray(answer.scores, dtype=np.float64)
    if peer.scale == "logit":
        return scores
    limit = np.finfo(np.float32).eps / 2  # a probability of 1 in fp32 is no infinite logit
    inside = np.clip(scores, limit, 1 - limit)
    return np.asarray(np.log(inside / (1 - inside)))
