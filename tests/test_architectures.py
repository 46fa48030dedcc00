"""The tiny models of every architecture see what they are made of, or no test of them would."""

import re
from pathlib import Path

import pytest
from sentence_transformers import CrossEncoder

from tests.architectures import DESIGNS, LIMIT, SAVED
from tests.wide_weights import PAIRS, logits_of

WITHOUT_EFFECT = re.compile(r".*(key|k_lin|attn\.k|key_proj)\.bias|0\.model\.pooler\..*")
"""A bias of the keys moves all of a token's attention weights alike, which the softmax removes.

The pooler of an encoder without its own head is not run.
"""


@pytest.mark.parametrize("name", DESIGNS)
def test_logits_spread_by_one_and_every_weight_has_a_part_in_them(
    tmp_path: Path, name: str
) -> None:
    model = CrossEncoder(str(SAVED[name](tmp_path)), device="cpu").float()
    logits = logits_of(model, PAIRS)
    assert logits.shape == (len(PAIRS), DESIGNS[name].columns)
    assert 0.8 < logits.std(axis=0).mean() < 1.2
    lengths = [len(row) for row in model.tokenizer([*map(list, PAIRS)], truncation=True).input_ids]
    assert min(lengths) < 8
    assert max(lengths) == LIMIT
    features = model.preprocess([list(pair) for pair in PAIRS])
    model(features)["scores"].square().sum().backward()
    still = {
        key
        for key, parameter in model.named_parameters()
        if parameter.grad is None or parameter.grad.abs().max() < 1e-4
    }
    assert {key for key in still if not WITHOUT_EFFECT.fullmatch(key)} == set()


def test_the_same_model_is_saved_every_time(tmp_path: Path) -> None:
    first, again = SAVED["ettin"](tmp_path / "first"), SAVED["ettin"](tmp_path / "again")
    for file in ("model.safetensors", "tokenizer.json", "4_Dense/model.safetensors"):
        assert (first / file).read_bytes() == (again / file).read_bytes()
