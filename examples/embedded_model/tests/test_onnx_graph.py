"""The ONNX graph beside a saved student's weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import CrossEncoder

from embedded_model.models.onnx_graph import write_onnx_graph
from rerank_plugins.backends.onnx import OnnxForward
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.tokens.pairs import PairTokenizer, pad
from tests.tiny_models import save_tiny_cross_encoder, save_tiny_encoder, tiny_tokenizer

PAIRS = [
    ("what is a red fox", "the red fox is a small dog"),
    ("sea", "a river is not the sea " * 9),
    ("", ""),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("columns", [1, 3])
def test_the_onnx_graph_gives_the_logits_of_the_torch_model(
    tmp_path: Path, dtype: torch.dtype, columns: int
) -> None:
    save_tiny_cross_encoder(tmp_path, columns=columns)
    weights = load_file(tmp_path / "model.safetensors")
    halved = {name: tensor.to(dtype) for name, tensor in weights.items()}
    save_file(halved, tmp_path / "model.safetensors", metadata={"format": "pt"})
    graph = write_onnx_graph(tmp_path)
    tokenizer = tiny_tokenizer().backend_tokenizer.to_str()
    pairs = PairTokenizer(tokenizer, max_length=64)
    logits = OnnxForward(graph)(pad(pairs.encode(PAIRS), 0))
    model = CrossEncoder(str(tmp_path), device="cpu", model_kwargs={"dtype": torch.float32})
    wanted = model.predict(PAIRS, activation_fn=torch.nn.Identity())
    np.testing.assert_allclose(logits, wanted.reshape(len(PAIRS), columns), atol=1e-5)


def test_the_graph_file_holds_no_weights(tmp_path: Path) -> None:
    graph = write_onnx_graph(save_tiny_cross_encoder(tmp_path))
    weights = (tmp_path / "model.safetensors").stat().st_size
    assert graph.stat().st_size < weights / 2


def test_a_graph_is_refused_for_another_architecture(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="Run other models with backend='torch'"):
        write_onnx_graph(save_tiny_encoder(tmp_path))
