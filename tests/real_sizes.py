"""All networks of real size: gigabytes and minutes. `pytest tests/real_sizes.py`."""

from pathlib import Path

import pytest

from tests.real_shapes import REAL
from tests.test_real_sizes import test_a_network_of_real_size_scores_as_predict_does as check


@pytest.mark.parametrize("name", REAL)
def test_it_scores_as_predict_does(tmp_path: Path, name: str) -> None:
    check(tmp_path, name)
