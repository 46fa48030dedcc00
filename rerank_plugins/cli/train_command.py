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
            help="Training data: JSON Lines with query, positive (a text or a list of texts) and "
            "perhaps negatives; a folder with pairs.jsonl; or a folder in BEIR's layout.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", file_okay=False, help="Folder for the model and the report."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Cross-encoder to start from: embedded, a hub id or a local folder.",
            show_default="embedded",
        ),
    ] = None,
    bi_encoder: Annotated[
        str | None,
        typer.Option(
            help="Also find negatives with this bi-encoder, a hub id or a local folder.",
            show_default=False,
        ),
    ] = None,
    questions: Annotated[
        int | None,
        typer.Option(metavar="N", help="Use at most N questions.", show_default="all"),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(metavar="N", help="Read all questions at most N times.", show_default="2"),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Highest learning rate.", show_default="3e-5")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Questions per training step.", show_default="8"),
    ] = None,
    negatives: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Wrong passages beside each right one.", show_default="4"
        ),
    ] = None,
    max_length: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Cut pairs at N tokens in training.",
            show_default="256, or what the model reads if less",
        ),
    ] = None,
    development: Annotated[
        float | None,
        typer.Option(
            help="Share of the questions that decides when to stop.",
            show_default="0.1",
        ),
    ] = None,
    held_out: Annotated[
        float | None,
        typer.Option(
            help="Share of the questions that the model is measured on, before and after.",
            show_default="0.2",
        ),
    ] = None,
    looks: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Measure the model on the development questions N times per epoch.",
            show_default="2",
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Stop after N measurements without an improvement.",
            show_default="3",
        ),
    ] = None,
    start_share: Annotated[
        float | None,
        typer.Option(
            help="Share of the start model's weights in the result: keeps more of its knowledge.",
            show_default="0",
        ),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Rank N candidates per held-out question.", show_default="50"
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Number that decides the split, the negatives and their order.",
            show_default="13",
        ),
    ] = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Start again, instead of continuing a run in the folder."),
    ] = False,
    **hub: Any,
) -> None:
    """Fine-tunes a cross-encoder on your pairs. If it is stopped, the same command continues it.

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
    if not output_is_closed():  # the model is saved even if the report has nowhere to go
        typer.echo(fine_tune_report(result), nl=False)
