"""`rerank compile` writes a model for where it will run; `rerank plan` says how it would be run."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from rerank_plugins.cli.errors import show
from rerank_plugins.cli.options import scorer_of, scorer_options
from rerank_plugins.cli.streams import check_output
from rerank_plugins.formats.lines import json_rows, read_lines, shown
from rerank_plugins.formats.pair_rows import query_and_answers
from rerank_plugins.scorer import plan_of_small_files

_FOR_JAVASCRIPT = "the npm package @huggingface/transformers, or onnxruntime-node or -web"


@scorer_options("revision", "local_files_only")
def compile_bundle(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="embedded, a hub id, or a local folder.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Write to this folder; it is new, empty, or was compiled before and is replaced.",
            show_default=False,
        ),
    ],
    layout: Annotated[
        Literal["bundle", "transformers.js"],
        typer.Option(
            "--layout",
            help="bundle is for this package. transformers.js is for browsers and Node: the graph "
            "in fp32 and fp16, without --backend and --precision.",
        ),
    ] = "bundle",
    backend: Annotated[
        Literal["openvino", "onnx"],
        typer.Option("--backend", help="Library that will run the bundle."),
    ] = "openvino",
    precision: Annotated[
        Literal["fp32", "int8"],
        typer.Option(
            "--precision",
            help="int8 quantises the graph, for openvino only. An fp32 graph for openvino can also "
            "be run in bf16: choose that when you load the bundle.",
        ),
    ] = "fp32",
    calibration: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="File with pairs that decide how int8 rounds: JSON Lines with query and positive. "
            "Give a few hundred, similar to what you will score; the file may be gzipped.",
            show_default="pairs that come with the package",
        ),
    ] = None,
    **hub: Any,
) -> None:
    """Compiles a cross-encoder into a folder that loads without torch.

    Example: rerank compile my-model --precision int8 -o my-bundle
    """
    from rerank_plugins.backends.graphs.bundle import bundle_needs
    from rerank_plugins.backends.graphs.compile_model import compile_model

    compiled = compile_model(
        model,
        output,
        layout=layout,
        backend=backend,
        precision=precision,
        calibration=None if calibration is None else _read_pairs(calibration),
        **hub,
    )
    size = sum(file.stat().st_size for file in compiled.rglob("*") if file.is_file()) / 1e6
    show("note", f"{size:.1f} MB written to {compiled}")
    needs = [_FOR_JAVASCRIPT] if layout != "bundle" else bundle_needs(backend, precision)
    show("note", f"where it runs, it needs {'; '.join(needs)}")


@scorer_options(
    *("backend", "precision", "threads", "revision", "device"),
    *("local_files_only", "trust_remote_code"),
)
def plan(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="embedded, a hub id, a local folder, or a bundle."),
    ] = "embedded",
    machine: Annotated[
        bool,
        typer.Option(
            "--machine",
            help="Also load the model in each backend and precision that can run it here, and "
            "time a short request.",
        ),
    ] = False,
    **scorer: Any,
) -> None:
    """Says how this machine runs a model, and why. Loads the model if its weights are here.

    Example: rerank plan embedded --precision auto
    """
    check_output()
    # Which column of a head means relevant has no part in a plan, so any is taken.
    options = {"model": model, "label": "0", **scorer}
    with scorer_of(options) as loaded:
        unseen = plan_of_small_files(loaded)
        chosen = unseen or loaded.plan()
    rows = {
        "backend": chosen.backend,
        "precision": chosen.precision,
        "threads": chosen.threads,
        "streams": chosen.streams,
        "reason": chosen.reason,
        "weights": unseen and "not here: names and shapes were not checked",
    }
    for name, value in rows.items():
        if value is not None:
            typer.echo(f"{name:<10}{value}")
    if machine:
        from rich.console import Console

        from rerank_plugins.cli.plan_machine import show_machine, show_what_is_missing

        if unseen:
            show_what_is_missing(options)
        else:
            show_machine(Console(), options, chosen)


def _read_pairs(file: str) -> list[tuple[str, str]]:
    pairs = []
    for where, row in json_rows(read_lines(file), shown(file)):
        query, answers = query_and_answers(row, where)
        pairs += [(query, answer) for answer in answers]
    return pairs
