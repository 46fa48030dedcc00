"""The same pairs in one process and on Ray: `python -m benchmarks.scale_out`.

Runs in the environment of `make test-scale-out`, and prints a line of JSON for each way and the
medians of several rounds: one process of two threads, two actors of one thread, one actor of two
threads. The ways take turns, so that what else the machine does is the same for all of them.
"""

import argparse
import itertools
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from rerank_plugins.demo import load_corpus, load_questions
from rerank_plugins.scale_out import RerankBatch


def made(count: int, characters: int) -> pa.Table:
    """Pairs of a question and the beginning of a passage, of unlike lengths."""
    choice = random.Random(22)
    passages = [passage.text for passage in load_corpus()]
    queries = [question.query for question in load_questions()]
    texts = [
        choice.choice(passages)[: choice.randint(characters // 4, characters)] for _ in range(count)
    ]
    return pa.table({"query": [choice.choice(queries) for _ in range(count)], "passage": texts})


def memory(process: int | str = "self") -> float:
    """MB that a process has in memory and shares with no other."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) / 1000


class Measured(RerankBatch):
    """Says in each row when its batch began, what it took, and what memory its process then had."""

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Adds these columns, too."""
        begun, before, worked = time.time(), time.perf_counter(), time.process_time()
        done = super().__call__(batch)
        facts = {
            "begun": begun,
            "took": time.perf_counter() - before,
            "worked": time.process_time() - worked,
            "memory": memory(),
        }
        for name, value in facts.items():
            done = done.append_column(name, pa.array([value] * len(done)))
        return done


@contextmanager
def cluster(niceness: int) -> Iterator[None]:
    """Ray on this machine alone, with two processors and workers of this niceness."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    ray.init(
        num_cpus=2,
        object_store_memory=200_000_000,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        _node_ip_address="127.0.0.1",
        _system_config={"worker_niceness": niceness},
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield
    finally:
        ray.shutdown()


def in_one_process(table: pa.Table, block: int, options: dict[str, Any]) -> dict[str, float]:
    """Two threads in this process, without Ray."""
    score = Measured(**options, threads=2)
    done = [score(table.slice(at, block)) for at in range(0, len(table), block)]
    return facts_of(done, time.time(), actors=1)


def on_ray(table: pa.Table, block: int, options: dict[str, Any], actors: int) -> dict[str, float]:
    """Actors that share the two processors."""
    import ray
    from ray.data import ActorPoolStrategy

    blocks = [table.slice(at, block) for at in range(0, len(table), block)]
    begun = time.time()
    data = (
        ray.data.from_arrow(blocks)
        .map_batches(
            Measured,
            fn_constructor_kwargs=options,
            compute=ActorPoolStrategy(size=actors),
            num_cpus=2 // actors,
            batch_size=None,
            batch_format="pyarrow",
        )
        .materialize()
    )
    ended = time.time()
    done = list(data.iter_batches(batch_format="pyarrow", batch_size=None))
    found = facts_of(done, ended, actors)
    return {**found, "start": ended - begun - found["seconds"]}


def facts_of(done: list[pa.Table], ended: float, actors: int) -> dict[str, float]:
    """Seconds since the first batch began, how many processors worked in them, and memory."""
    rows = [table.slice(0, 1).to_pylist()[0] for table in done]
    seconds = ended - min(row["begun"] for row in rows)
    within = sum(row["took"] for row in rows) / actors
    return {
        "pairs per second": sum(map(len, done)) / seconds,
        "processors in batches": sum(row["worked"] for row in rows) / within,
        "seconds": seconds,
        "ms between batches": 1000 * actors * (seconds - within) / len(rows),
        "MB per process": max(row["memory"] for row in rows),
    }


def main() -> None:
    """Measures each way with each size of blocks, in turns."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=200_000)
    parser.add_argument("--characters", type=int, default=120)
    parser.add_argument("--blocks", type=int, nargs="+", default=[4096])
    parser.add_argument("--ways", nargs="+", choices=["process", "actors", "actor"])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--niceness", type=int, default=15, help="Ray's own default is 15")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--backend", default="onnx")
    given = parser.parse_args()
    options = {"model": given.model, "precision": given.precision, "backend": given.backend}
    table = made(given.pairs, given.characters)
    ways: dict[str, Callable[[int], dict[str, float]]] = {
        "process": lambda block: in_one_process(table, block, options),
        "actors": lambda block: on_ray(table, block, options, 2),
        "actor": lambda block: on_ray(table, block, options, 1),
    }
    names = given.ways or list(ways)
    with cluster(given.niceness):
        for block in given.blocks:
            found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
            for _, name in itertools.product(range(given.rounds), names):
                found[name].append(ways[name](block))
                show(way=name, pairs=given.pairs, block=block, **found[name][-1])
            for name, runs in found.items():
                middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
                show(median=name, rounds=given.rounds, block=block, **middle)


def show(**facts: float | str) -> None:
    """Prints a line of JSON."""
    sys.stdout.write(f"{json.dumps(facts)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
