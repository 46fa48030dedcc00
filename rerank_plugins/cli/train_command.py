"""`rerank train`: fine-tunes a cross-encoder on your pairs."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from rerank_plugins.cli.options import scorer_options
from rerank_plugins.cli.streams import output_is_closed
from rerank_plugins.cli.train import fine_tune_model, fine_tune_report


@scorer_options("revision", "local_files_only")
def train(
    data: Annotated[
        Path,
        typer.Argument(
            exists=True,
            help="What to fine-tune on: JSON Lines with query and positive (a text or a list), "
            "perhaps negatives; a folder with pairs.jsonl; or a folder in BEIR's layout.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", file_okay=False, help="Folder for what the run makes.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Cross-encoder to start from: 'embedded', a hub id or a folder.",
            show_default="embedded",
        ),
    ] = None,
    bi_encoder: Annotated[
        str | None,
        typer.Option(
            help="Bi-encoder that finds negatives beside BM25: a hub id or a folder.",
            show_default=False,
        ),
    ] = None,
    questions: Annotated[
        int | None,
        typer.Option(help="Most questions that are used.", show_default="all"),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(help="Most rounds over all questions.", show_default="2"),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Its peak.", show_default="3e-5")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Questions of a step.", show_default="8")
    ] = None,
    negatives: Annotated[
        int | None,
        typer.Option(min=1, help="Passages beside each answer.", show_default="4"),
    ] = None,
    max_length: Annotated[
        int | None,
        typer.Option(
            help="Tokens of a pair in training.",
            show_default="256, or what the model reads if less",
        ),
    ] = None,
    development: Annotated[
        float | None,
        typer.Option(
            help="Share of the questions that chooses when to stop.",
            show_default="0.1",
        ),
    ] = None,
    held_out: Annotated[
        float | None,
        typer.Option(
            help="Share of the questions that measures before and after.",
            show_default="0.2",
        ),
    ] = None,
    looks: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Looks at the development questions an epoch.",
            show_default="2",
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Looks without anything better before it stops.",
            show_default="3",
        ),
    ] = None,
    start_share: Annotated[
        float | None,
        typer.Option(
            help="Share of the start's weights in the result: keeps more of what it knew.",
            show_default="0",
        ),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(min=1, help="Candidates of a held-out question.", show_default="50"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Decides split, negatives and order.", show_default="13"),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start anew instead of going on with what is there.")
    ] = False,
    **hub: Any,
) -> None:
    """Fine-tunes a cross-encoder on your pairs; a stopped run goes on when it is started again.

    Example: rerank train my-pairs.jsonl --output my-model
    """
    settings = {
        "model": model,
        "revision": hub["revision"],
        "local_files_only": hub["local_files_only"] or None,
        "bi_encoder": bi_encoder,
        "questions": questions,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "negatives": negatives,
        "max_length": max_length,
        "development": development,
        "held_out": held_out,
        "looks": looks,
        "patience": patience,
        "start_share": start_share,
        "depth": depth,
        "seed": seed,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    result = fine_tune_model(
        data, output=output, settings=given, fresh=fresh, progress=sys.stderr.isatty()
    )
    if not output_is_closed():  # the model is there without its report
        typer.echo(fine_tune_report(result), nl=False)
