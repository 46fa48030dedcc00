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
ModelPrecision = Annotated[
    Precision | None,
    typer.Option("--precision", help="Number format.", show_default="fp32, or a bundle's own"),
]
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

TrustRemoteCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code", help="Run model code that comes with the model; read it first."
    ),
]
Prompt = Annotated[
    str | None,
    typer.Option(help="Instruction put before the query.", show_default="the model's own"),
]
QueryPrefix = Annotated[str, typer.Option(help="Put before every query.", show_default=False)]
PassagePrefix = Annotated[str, typer.Option(help="Put before every passage.", show_default=False)]


def label_of(label: str | None) -> int | str | None:
    """The column that an option names: its index, or its name."""
    return int(label) if label is not None and label.isdecimal() else label


def scorer_of(
    *,
    model: str,
    revision: str | None,
    device: str | None,
    backend: BackendName,
    precision: Precision | None,
    max_length: int | None,
    label: str | None,
    local_files_only: bool,
    trust_remote_code: bool = False,
    prompt: str | None = None,
    query_prefix: str = "",
    passage_prefix: str = "",
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
        trust_remote_code=trust_remote_code,
        prompt=prompt,
        query_prefix=query_prefix,
        passage_prefix=passage_prefix,
        progress_bar=progress_bar,
    )
