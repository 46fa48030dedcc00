"""The options that both classes share, as pydantic fields."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, SkipValidation
from pydantic.json_schema import SkipJsonSchema

from rerank_plugins import Reranker, Scorer, ScoreScale
from rerank_plugins.wrappers import OptionFields

Checked: Any = SkipValidation()  # type: ignore[type-arg] # typed for SkipValidation[T] only
"""Marks what the core checks, so that its words and its strictness are the same everywhere."""


class RerankOptions(OptionFields, BaseModel):
    """Model and scoring options. Assigning to one takes effect on the next use.

    Attributes:
        model: Hub id, local directory (a path is fine), or `"embedded"` for the model that ships.
        scale: `"probability"` or `"logit"`: what the scores are.
        device: `"cpu"`, `"cuda:1"` ...; `None` lets the backend choose. A list shares the work out.
        backend: `"auto"`, `"torch"`, `"onnx"` or `"openvino"`.
        precision: `"auto"`, `"fp32"`, `"bf16"`, `"fp16"` or `"int8"`; `None`: fp32, or a bundle's
            own.
        revision: Branch, tag or commit of a hub model.
        max_length: Tokens of query and passage together; longer pairs are cut.
        max_batch_tokens: Tokens per batch, padding included.
        prompt: Instruction put before the query.
        query_prefix: Put before every query.
        passage_prefix: Put before every passage.
        label: Column to score by, where the model's head has several.
        local_files_only: Never ask the hub.
        token: Hub token; left out of dumps and pickles.
        cache_folder: Where hub models are kept.
        trust_remote_code: Run model code that comes with a hub model.
        progress_bar: Show a bar over the pairs of a call.
        timeout: Seconds after which a call fails with `ScoringTimeoutError`.
        max_queue_pairs: Pairs of all calls that may wait for the model; more are refused.
        scorer: A ready scorer instead of a model and its options; left out of dumps.
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        extra="forbid",
        hide_input_in_errors=True,  # the token is in it
    )

    model: Annotated[str, Checked] = "cross-encoder/ms-marco-MiniLM-L4-v2"
    scale: Annotated[ScoreScale, Checked] = "probability"
    device: Annotated[str | list[str] | None, Checked] = None
    backend: Annotated[str, Checked] = "auto"
    precision: Annotated[str | None, Checked] = None
    revision: Annotated[str | None, Checked] = None
    max_length: Annotated[int | None, Checked] = None
    max_batch_tokens: Annotated[int | None, Checked] = None
    prompt: Annotated[str | None, Checked] = None
    query_prefix: Annotated[str, Checked] = ""
    passage_prefix: Annotated[str, Checked] = ""
    label: Annotated[int | str | None, Checked] = None
    local_files_only: Annotated[bool, Checked] = False
    token: SecretStr | None = Field(default=None, exclude=True)
    cache_folder: Annotated[str | None, Checked] = None
    trust_remote_code: Annotated[bool, Checked] = False
    progress_bar: Annotated[bool, Checked] = False
    timeout: Annotated[float | None, Checked] = None
    max_queue_pairs: Annotated[int | None, Checked] = 100_000
    scorer: SkipJsonSchema[Annotated[Scorer | None, Checked]] = Field(default=None, exclude=True)

    _reranker: Reranker | None = PrivateAttr()
