"""Columns of a batch in any of the forms that Ray Data and Spark hand out."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from rerank_plugins.errors import InvalidInputError

Batch: TypeAlias = Any
"""A pyarrow table or record batch, a pandas frame, or a dictionary of numpy arrays."""

_ARROW = (pa.Table, pa.RecordBatch)


def names_of(batch: Batch) -> list[str]:
    """The names of a batch's columns."""
    return list(batch.column_names) if isinstance(batch, _ARROW) else list(batch)


def values_of(batch: Batch, name: str, option: str) -> list[Any]:
    """The values of a column as Python objects.

    Args:
        batch: The batch.
        name: The column.
        option: The option that names it, for the message.

    Raises:
        InvalidInputError: There is no such column.
    """
    if name not in names_of(batch):
        message = (
            f"The batch has no column {name!r}; its columns are {', '.join(names_of(batch))}. "
            f"Name one of them: {option}='...'."
        )
        raise InvalidInputError(message)
    column = batch[name]
    values: list[Any] = column.to_pylist() if isinstance(batch, _ARROW) else column.tolist()
    return values


def with_columns(batch: Batch, added: Mapping[str, pa.Array]) -> Batch:
    """A new batch of the same form, with more columns; the given one stays as it is."""
    if isinstance(batch, _ARROW):
        for name, values in added.items():
            batch = batch.append_column(name, values)
        return batch
    if isinstance(batch, dict):
        return {**batch, **{name: _array(values) for name, values in added.items()}}
    import pandas as pd

    # Lists and missing values keep their types, also where a whole batch has none.
    series = {
        name: pd.Series(values, index=batch.index, dtype=pd.ArrowDtype(values.type))
        for name, values in added.items()
    }
    return batch.assign(**series)


def _array(values: pa.Array) -> Any:
    """Numbers as an array of numbers, NaN where there is none; other values as objects."""
    if pa.types.is_floating(values.type):
        return values.to_numpy(zero_copy_only=False)
    return np.fromiter(values.to_pylist(), dtype=object, count=len(values))
