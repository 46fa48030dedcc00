"""Prepares, starts and measures the peers, and renders the section."""

import sys
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path

from benchmarks.peers.catalogue import Peer, chosen, load_catalogue
from benchmarks.peers.environment import EnvironmentFailedError, python_of
from benchmarks.peers.export import export
from benchmarks.peers.measure import measure
from benchmarks.peers.process import PeerFailedError, PeerProcess
from benchmarks.peers.report import render
from rerank_plugins.demo import load_corpus, load_questions

ROUNDS = 5
QUERIES = 4
PASSAGES = 100


def peers_report(
    venvs: Path,
    names: Collection[str] = (),
    *,
    rounds: int = ROUNDS,
    queries: int = QUERIES,
    passages: int = PASSAGES,
) -> str:
    """The section about peers, measured now.

    Args:
        venvs: Where environments, exported weights and logs are made, and kept for the next time.
        names: Peers, by whole names or parts; all if there is none. The baseline always runs.
        rounds: How often every peer scores every query.
        queries: Questions of the demo.
        passages: Passages of the demo for each question.

    Raises:
        ValueError: A name fits no peer.
        PeerFailedError: The baseline cannot be measured.
    """
    peers = chosen(load_catalogue(), names)
    venvs = venvs.expanduser().resolve()
    weights = venvs / "weights"
    export(weights)
    texts = [f"{passage.title} {passage.text}" for passage in load_corpus()][:passages]
    questions = [question.query for question in load_questions()][:queries]
    missing: dict[str, str] = {}
    loaded: dict[str, tuple[Peer, PeerProcess]] = {}
    with ExitStack() as stack:
        for peer in peers:
            _say(f"{peer.name} ...")
            try:
                python = python_of(peer.environment, venvs)
                log = venvs / "logs" / f"{'-'.join(peer.name.split())}.txt"
                process = stack.enter_context(PeerProcess(peer, python, weights, log))
            except (EnvironmentFailedError, PeerFailedError) as error:
                if peer is peers[0]:
                    raise
                missing[peer.name] = str(error)
                _say(f"    {error}")
            else:
                loaded[peer.name] = (peer, process)
        _say("measuring ...")
        rows = measure(loaded, questions, texts, rounds, missing.__setitem__)
    return render(rows, missing, passages=len(texts), queries=len(questions), rounds=rounds)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
