"""Which models become a graph."""

from pathlib import Path

from rerank_plugins.errors import UnsupportedOptionError
from rerank_plugins.models.json_files import read_json

FIRST_TOKEN_ARCHITECTURES = (
    "BertForSequenceClassification",
    "CamembertForSequenceClassification",
    "RobertaForSequenceClassification",
    "XLMRobertaForSequenceClassification",
)
"""Encoders of one design, whose heads read the first token only."""

_TASK = "sequence-classification"


class NoGraphError(UnsupportedOptionError):
    """A model that looked as if it could become a graph did not become one."""


def graph_fits(folder: Path) -> bool:
    """Whether the model in `folder` can become a graph that reads the first token."""
    config = read_json(folder / "config.json")
    architectures = config.get("architectures") or [""]
    task = read_json(folder / "sentence_bert_config.json").get("transformer_task", _TASK)
    return (
        architectures[0] in FIRST_TOKEN_ARCHITECTURES
        and task == _TASK
        and not any(config.get(key) for key in ("auto_map", "is_decoder", "quantization_config"))
    )
