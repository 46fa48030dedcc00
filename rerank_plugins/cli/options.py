"""Options that several commands share, and the scorer they describe."""

from typing import Annotated, Literal

import typer

from rerank_plugins.scorer import MINIMUM_MAX_LENGTH, CrossEncoderScorer

BackendName = Literal["auto", "torch", "onnx", "openvino"]
Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]

Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="Model that reranks: 'embedded' (ships with the package, needs no network), "
        "a hub id, or a folder.",
    ),
]
Revision = Annotated[
    str | None, typer.Option(help="Branch, tag or commit of a hub model.", show_default=False)
]
Device = Annotated[
    str | None,
    typer.Option(help="Where to run it: cpu, cuda, cuda:1, mps.", show_default="chosen for you"),
]
Backend = Annotated[
    BackendName, typer.Option("--backend", help="What runs it; 'rerank plan' says what auto chose.")
]
ModelPrecision = Annotated[Precision, typer.Option("--precision", help="Number format.")]
MaxLength = Annotated[
    int | None,
    typer.Option(
        min=MINIMUM_MAX_LENGTH,
        help="Tokens of query and passage together; what is longer is cut.",
        show_default="all that the model reads",
    ),
]
Label = Annotated[
    str | None,
    typer.Option(
        help="Column that means relevant, index or name, for heads with several.",
        show_default=False,
    ),
]
LocalFilesOnly = Annotated[
    bool, typer.Option("--local-files-only", help="Never ask the hub; use its local cache.")
]


def label_of(label: str | None) -> int | str | None:
    """The column that an option names: its index, or its name."""
    return int(label) if label is not None and label.isdecimal() else label


def scorer_of(
    *,
    model: str,
    revision: str | None,
    device: str | None,
    backend: BackendName,
    precision: Precision,
    max_length: int | None,
    label: str | None,
    local_files_only: bool,
    progress_bar: bool = False,
) -> CrossEncoderScorer:
    """The scorer that the options of a command describe; nothing is loaded yet.

    Raises:
        InvalidInputError: An option is not allowed.
    """
    return CrossEncoderScorer(
        model,
        revision=revision,
        device=device,
        backend=backend,
        precision=precision,
        max_length=max_length,
        label=label_of(label),
        local_files_only=local_files_only,
        progress_bar=progress_bar,
    )
