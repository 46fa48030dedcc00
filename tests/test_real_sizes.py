"""Networks of real widths and depths: the logits of `predict`, from a few tokens to the limit.

The smallest of each family run with the other tests; `tests/real_sizes.py` has all.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.architectures import save
from tests.real_shapes import LIMIT, REAL
from tests.test_networks import InOnnx, InOpenVino, case_of, check
from tests.wide_weights import PAIRS, Pairs

SMALLEST = ["ms-marco-MiniLM-L6", "ettin-reranker-17m", "mxbai-rerank-xsmall"]
FEW = [*PAIRS[1:10], (PAIRS[5][0], " ".join(passage for _, passage in PAIRS * 3))]
"""Enough of them to tell how much `predict` itself rounds, where that is little."""


@pytest.mark.parametrize("name", SMALLEST)
def test_a_network_of_real_size_scores_as_predict_does(tmp_path: Path, name: str) -> None:
    check_real_size(tmp_path, name, FEW)


def check_real_size(
    folder: Path, name: str, pairs: Pairs, runtimes: Sequence[type] = (InOnnx, InOpenVino)
) -> None:
    case = case_of(save(REAL[name], folder), pairs)
    lengths = [len(row) for row in case.model.tokenizer(list(map(list, pairs))).input_ids]
    assert min(lengths) < 10
    assert max(lengths) > LIMIT
    assert np.ptp(case.logits) > 0.5
    for runtime in runtimes:
        check(case, runtime)
