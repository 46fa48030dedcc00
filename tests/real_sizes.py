"""All networks of real size: gigabytes and minutes. `pytest tests/real_sizes.py`."""

from pathlib import Path

import pytest

from tests.real_shapes import REAL
from tests.test_networks import InJax, InOnnx, InOpenVino
from tests.test_real_sizes import FEW, check_real_size
from tests.wide_weights import PAIRS

MANY = [*FEW, *((query, passage) for query, _ in PAIRS[1:6] for _, passage in PAIRS[1:7])]


@pytest.mark.parametrize("name", REAL)
def test_it_scores_as_predict_does(tmp_path: Path, name: str) -> None:
    check_real_size(tmp_path, name, MANY, (InOnnx, InOpenVino, InJax))
