"""Describes a model apart from its weights: its input for a pair, and the meaning of its output."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNBOUNDED = 1_000_000
"""A length for models without any limit; no text is that long."""

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """Everything that scoring needs to know about a model besides its weights.

    Attributes:
        tokenizer: The fast tokenizer in its JSON form.
        pad_id: Token id that pads shorter pairs.
        limit: The most tokens per pair that the model can read; `None` if it has no limit.
        default_length: Pairs are cut at this many tokens unless the options say otherwise.
        vocabulary: The number of token ids with embeddings; `None` if it is unknown.
        columns: Number of columns of the head.
        labels: Names of the columns by index.
        inputs: The members of `INPUTS` that the model reads, in that order.
        default_prompt: Put before the query unless the options say otherwise.
    """

    tokenizer: str
    pad_id: int
    limit: int | None
    default_length: int
    vocabulary: int | None
    columns: int
    labels: Mapping[int, str]
    inputs: tuple[str, ...] = INPUTS
    default_prompt: str = ""

    def settings(self) -> dict[str, Any]:
        """Everything but the tokenizer, as values for JSON."""
        return {
            "pad_id": self.pad_id,
            "limit": self.limit,
            "default_length": self.default_length,
            "vocabulary": self.vocabulary,
            "columns": self.columns,
            "labels": {str(index): name for index, name in self.labels.items()},
            "inputs": list(self.inputs),
            "default_prompt": self.default_prompt,
        }

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], tokenizer: str) -> "ModelDescription":
        """The description that `settings` was written from.

        Raises:
            KeyError, TypeError, ValueError: The settings have another form.
        """
        return cls(
            tokenizer=tokenizer,
            pad_id=int(settings["pad_id"]),
            limit=_optional(settings["limit"]),
            default_length=int(settings["default_length"]),
            vocabulary=_optional(settings["vocabulary"]),
            columns=int(settings["columns"]),
            labels={int(index): str(name) for index, name in settings["labels"].items()},
            inputs=tuple(name for name in INPUTS if name in settings["inputs"]),
            default_prompt=str(settings["default_prompt"]),
        )


def _optional(value: Any) -> int | None:
    return None if value is None else int(value)
