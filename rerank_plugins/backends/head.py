"""The columns of a model's head: which one is the score, and how it becomes one logit."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rerank_plugins.errors import LabelRequiredError
from rerank_plugins.messages.spelling import option


def column_of(label: int | str | None, columns: int, names: Mapping[int, str]) -> int:
    """The index of the column to score by.

    Raises:
        LabelRequiredError: There are several columns, and the label names none of them.
    """
    if label is None and columns == 1:
        return 0
    if isinstance(label, int) and label < columns:
        return label
    for index, name in names.items():
        if isinstance(label, str) and name == label and index < columns:
            return index
    listed = ", ".join(f"{index} ({names.get(index, 'no name')!r})" for index in range(columns))
    given = (
        "no label was chosen" if label is None else f"{option('label', label)} is not one of them"
    )
    message = (
        f"The model's head has {columns} column{'s' if columns > 1 else ''}: {listed}; {given}. "
        f"Pass {option('label')} with the index or the name of the column that means relevant."
    )
    raise LabelRequiredError(message)


def column_logits(logits: NDArray[np.float32], column: int) -> NDArray[np.float32]:
    """One logit per row, float32 `(n,)`, from the head's output of shape `(n, columns)`.

    A single column is the logit. For several, it is the log-odds of the chosen column's softmax:
    z_c - log(sum of exp(z_j) over the others), so that its sigmoid is the softmax probability.
    """
    if logits.shape[1] == 1:
        return logits[:, 0]
    others = np.delete(logits, column, axis=1)
    chosen: NDArray[np.float32] = logits[:, column] - np.logaddexp.reduce(others, axis=1)
    return chosen.astype(np.float32)
