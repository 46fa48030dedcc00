"""Models of the hub, run from its cache by processes that cannot import torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.architectures import save
from tests.real_shapes import REAL
from tests.small_hub import small_hub
from tests.wide_weights import PAIRS, reference

MODELS = {
    "tiny/ms-marco-MiniLM-L4": REAL["ms-marco-MiniLM-L4"].but(vocab_size=30_522),
    "tiny/ettin-reranker-17m": REAL["ettin-reranker-17m"].but(vocab_size=50_368),
}
"""The reference model's shape, and a head of sentence-transformers' modules."""

SESSION = """
import json, sys
sys.modules |= dict.fromkeys(["torch", "transformers", "sentence_transformers", "safetensors"])
from rerank_plugins import CrossEncoderScorer

model, cache = sys.argv[1:]
pairs = [tuple(pair) for pair in json.load(sys.stdin)]
logits = {}
for backend in ("onnx", "openvino", "auto"):
    with CrossEncoderScorer(model, backend=backend, cache_folder=cache) as scorer:
        logits[backend] = scorer.score_pairs(pairs).tolist()
print(json.dumps(logits))
"""


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_the_hub_is_scored_as_predict_does(tmp_path: Path, name: str) -> None:
    folder, cache = save(MODELS[name], tmp_path / "model"), tmp_path / "cache"
    with small_hub({name: folder}, gated="") as (endpoint, _):
        done = subprocess.run(
            [sys.executable, "-c", SESSION, name, str(cache)],
            input=json.dumps(PAIRS),
            env={**os.environ, "HF_ENDPOINT": endpoint},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    weights = [*cache.rglob("*.safetensors")]
    assert weights
    assert all(file.is_symlink() for file in weights)  # which runtimes refuse by their path
    wanted = reference(folder)[:, 0]
    assert np.ptp(wanted) > 1
    for backend, logits in json.loads(done.stdout).items():
        np.testing.assert_allclose(logits, wanted, atol=1e-4, err_msg=backend)
