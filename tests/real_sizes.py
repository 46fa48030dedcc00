"""All networks of real size: gigabytes and minutes. `make test-real-sizes`."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.architectures import save
from tests.real_shapes import REAL
from tests.test_networks import InJax, InOnnx, InOpenVino, case_of, check
from tests.test_real_sizes import FEW, check_real_size
from tests.wide_weights import PAIRS

MANY = [*FEW, *((query, passage) for query, _ in PAIRS[1:6] for _, passage in PAIRS[1:7])]
RUNTIMES = (InOnnx, InOpenVino, InJax)


@pytest.mark.parametrize("name", REAL)
def test_it_scores_as_predict_does(tmp_path: Path, name: str) -> None:
    check_real_size(tmp_path, name, MANY, RUNTIMES)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_model_that_reads_8000_tokens_scores_as_predict_does(
    tmp_path: Path, runtime: type
) -> None:
    limit = 7999  # the Ettin rerankers'
    design = replace(REAL["ettin-reranker-17m"], limit=limit).but(max_position_embeddings=limit)
    words = " ".join(passage for _, passage in PAIRS)
    pairs = [(PAIRS[4][0], " ".join([words] * times)) for times in (20, 80)]
    case = case_of(save(design, tmp_path), pairs)
    lengths = [len(row) for row in case.model.tokenizer(list(map(list, pairs))).input_ids]
    assert lengths[0] < limit < lengths[1]
    check(case, runtime)
