"""The sizes of a model's tables of embeddings: ids beyond the end of a table have no meaning."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rerank_plugins.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

_POSITIONS = {
    "char_position_embeddings",
    "embed_positions",
    "position_embedding",
    "position_embeddings",
    "positions_embed",
    "wpe",
}
"""Names in transformers of tables with one row per position."""


def check_ids(model: "CrossEncoder", name: str) -> None:
    """Refuses a tokenizer with ids that have no embedding, usually the tokenizer of another model.

    Added tokens, which no plain text has, may lie beyond the table. If one occurs, scoring fails.

    Raises:
        ModelError: The message names the highest such id.
    """
    rows = vocabulary_of(model)
    if rows is not None:
        added = model.tokenizer.get_added_vocab()
        vocabulary = {t: i for t, i in model.tokenizer.get_vocab().items() if t not in added}
        for number in model.tokenizer("a", "a")["input_ids"]:  # and the tokens around every pair
            vocabulary[model.tokenizer.convert_ids_to_tokens(number)] = number
        check_token_ids(vocabulary, rows, name)
    inner: Any = model.transformers_model
    types = [
        found
        for key, table in ([] if inner is None else inner.named_modules())
        if key.rpartition(".")[2] == "token_type_embeddings" and (found := _rows(table))
    ]
    if types and "token_type_ids" in model.tokenizer.model_input_names:
        highest = max(model.tokenizer("a", "a")["token_type_ids"], default=0)
        check_types(highest, min(types), name)


def check_token_ids(vocabulary: Mapping[str, int], rows: int, name: str) -> None:
    """Refuses a vocabulary with ids that have no embedding.

    Args:
        vocabulary: Ids by token.
        rows: How many tokens have embeddings.
        name: The model reference, for messages.

    Raises:
        ModelError: The message names the highest such id.
    """
    token, highest = max(vocabulary.items(), key=_id, default=("", -1))
    if highest >= rows:
        message = (
            f"The tokenizer of {name!r} does not fit the model: it gives {token!r} the id "
            f"{highest}, and the model has embeddings for {rows} tokens, 0 to {rows - 1}. Save "
            "the tokenizer that the model was trained with in its folder."
        )
        raise ModelError(message)


def check_types(highest: int, types: int, name: str) -> None:
    """Refuses types of tokens that have no embedding.

    Args:
        highest: The highest type that the tokenizer gives a token.
        types: How many types have embeddings.
        name: The model reference, for messages.

    Raises:
        ModelError: The tokenizer gives passages a type behind the last.
    """
    if highest >= types:
        message = (
            f"The tokenizer of {name!r} does not fit the model: it gives passages the type "
            f"{highest}, and the model has embeddings for {types}. Save the tokenizer "
            "that the model was trained with in its folder."
        )
        raise ModelError(message)


def vocabulary_of(model: "CrossEncoder") -> int | None:
    """The number of tokens with embeddings; `None` if the model has no table of them."""
    inner: Any = model.transformers_model
    if inner is None or model.tokenizer is None:
        return None
    try:
        return _rows(inner.get_input_embeddings())
    except (AttributeError, NotImplementedError):  # it computes them, for example from bytes
        return None


def positions_of(model: "CrossEncoder") -> int | None:
    """The most tokens that the model has positions for; `None` if it has no table of them.

    The first rows of some tables are not used. In RoBERTa's family positions start after the id of
    padding, in BART's after an offset.
    """
    inner: Any = model.transformers_model
    if inner is None:
        return None
    usable = []
    for key, table in inner.named_modules():
        rows = _rows(table) if key.rpartition(".")[2] in _POSITIONS else None
        if rows is not None:
            padding = getattr(table, "padding_idx", None)
            usable.append(rows - getattr(table, "offset", 0 if padding is None else padding + 1))
    declared = getattr(inner.config, "max_position_embeddings", None)
    if usable and isinstance(declared, int) and declared > 0:
        usable.append(declared)
    return min(usable, default=None)


def _id(entry: tuple[str, int]) -> int:
    return entry[1]


def _rows(table: Any) -> int | None:
    """The number of rows of a table of embeddings; `None` for anything else."""
    shape: Any = getattr(getattr(table, "weight", None), "shape", ())
    return int(shape[0]) if len(shape) == 2 and hasattr(table, "padding_idx") else None
