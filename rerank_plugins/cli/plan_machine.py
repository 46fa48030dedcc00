"""`rerank plan --machine`: what each way of running a model does on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.backends.choice import PRECISIONS_OF
from rerank_plugins.backends.graphs.bundle import graph_precisions, runs_in
from rerank_plugins.cli.errors import show
from rerank_plugins.cli.options import scorer_of
from rerank_plugins.cli.progress import progress
from rerank_plugins.cli.tables import wide_table
from rerank_plugins.demo import load_corpus, load_questions
from rerank_plugins.errors import RerankError
from rerank_plugins.messages.commands import command
from rerank_plugins.models.files import WEIGHTS_FILE
from rerank_plugins.models.references import is_bundle, is_on_disk

if TYPE_CHECKING:
    from rich.console import Console

    from rerank_plugins.results import Plan

PASSAGES = 25
"""Passages of the request that is timed, from the demo's corpus."""

_INT8_NEEDS = ("openvino", "fp32")
"""The way that a model must run in if it is to be quantised."""

_ROUNDS = 6
_SECONDS = 4.0
"""After so long no further request is made, for large models."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a backend did in a precision.

    Attributes:
        backend: The backend.
        precision: The precision.
        loading: Seconds until the model was loaded.
        request: Seconds for a request of `PASSAGES` passages.
        logits: What it said of those of the first request.
    """

    backend: str
    precision: str
    loading: float
    request: float
    logits: NDArray[np.float32]


def show_machine(console: Console, options: Mapping[str, Any], plan: Plan) -> None:
    """Measures the model in each way that can run it here, and prints them.

    Args:
        console: Where the table goes; notes go to standard error.
        options: The options of the command, as `scorer_of` takes them.
        plan: The plan that they make here.
    """
    ways = _ways(options)
    measured: list[Measured] = []
    refused: dict[str, list[str]] = {}
    with progress(len(ways), "way", "measuring") as advance:
        for backend, precision in ways:
            try:
                measured.append(_measured(options, backend, precision))
            except RerankError as error:
                refused.setdefault(str(error), []).append(f"{backend} {precision}")
            advance(1)
    _show_table(console, measured, plan)
    for reason, names in refused.items():
        show("note", f"not measured in {', '.join(names)}: {reason}")
    left_out = options["precision"] in (None, "auto") and not _is_bundle(options["model"])
    if left_out and any((each.backend, each.precision) == _INT8_NEEDS for each in measured):
        typed = f"{command('rerank')} plan {quote(options['model'])} --machine --precision int8"
        show("note", f"int8 is left out, because quantising a model takes minutes. Type: {typed}")


def show_what_is_missing(options: Mapping[str, Any]) -> None:
    """Says why nothing was measured of a model whose weights are not here, and what to type."""
    model, revision = options["model"], options["revision"]
    if is_on_disk(model):
        first = f"copy {WEIGHTS_FILE} into {model}"
    else:
        pinned = f" --revision {quote(revision)}" if revision else ""
        first = f"type: {command('hf')} download {quote(model)}{pinned} --include '*.safetensors'"
    show("note", f"nothing was measured, because the weights are not here. First {first}")


def _ways(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The backends and precisions to try: all that the options leave open.

    Beside a precision that is asked for, its backends are tried in fp32, to compare logits with.
    A bundle is tried in those of its graph. Any other model is tried in int8 only if that is asked
    for, because it is quantised first, which takes minutes; and in JAX, which `auto` never chooses.
    """
    model, backend, asked = options["model"], options["backend"], options["precision"]
    if _is_bundle(model):
        own, compiled, _ = runs_in(Path(model).expanduser())
        ways = [(own, precision) for precision in graph_precisions(own, compiled)]
    else:
        ways = [
            (name, precision)
            for name, precisions in PRECISIONS_OF.items()
            for precision in precisions
            if (precision != "int8" or asked == "int8") and (name != "jax" or backend == "jax")
        ]
    return [
        (name, precision)
        for name, precision in ways
        if backend in ("auto", name)
        and (
            asked in (None, "auto")
            or (asked in PRECISIONS_OF[name] and precision in (asked, "fp32"))
        )
    ]


def _is_bundle(model: str) -> bool:
    return is_on_disk(model) and is_bundle(Path(model).expanduser())


def _measured(options: Mapping[str, Any], backend: str, precision: str) -> Measured:
    start = time.perf_counter()
    with scorer_of({**options, "backend": backend, "precision": precision}) as scorer:
        scorer.warm_up()
        loading = time.perf_counter() - start
        times, answers = [], []
        for query, passages in _requests():
            start = time.perf_counter()
            answers.append(scorer.score(query, passages))
            times.append(time.perf_counter() - start)
            if sum(times) > _SECONDS:
                break
    # The first request is slower, because runtimes prepare themselves for its shapes.
    return Measured(backend, precision, loading, median(times[1:] or times), answers[0])


def _requests() -> Iterator[tuple[str, list[str]]]:
    """Requests for the same passages, each with a number behind, so that no tokens are known."""
    query = load_questions()[0].query
    texts = [f"{passage.title} {passage.text}" for passage in load_corpus()[:PASSAGES]]
    for number in range(_ROUNDS):
        yield query, [f"{text} {number}" for text in texts]


def _show_table(console: Console, measured: Sequence[Measured], plan: Plan) -> None:
    """Prints a row for each way, the quickest first; the one of the plan is in bold."""
    exact = next((each.logits for each in measured if each.precision == "fp32"), None)
    table = wide_table()
    for title in ("backend", "precision"):
        table.add_column(title, no_wrap=True)
    for title in ("pairs/s", f"{PASSAGES} passages", "loading", "logits off by"):
        table.add_column(title, justify="right")
    for each in sorted(measured, key=lambda row: row.request):
        is_plan = (each.backend, each.precision) == (plan.backend, plan.precision)
        table.add_row(
            each.backend,
            each.precision,
            f"{PASSAGES / each.request:.0f}",
            f"{each.request * 1000:.0f} ms",
            f"{each.loading:.1f} s",
            "" if exact is None else f"{np.abs(each.logits - exact).max():.1g}",
            style="bold" if is_plan else "",
        )
    console.print(table)
