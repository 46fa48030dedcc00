"""`threads`: how many share a batch, which scorers share a model, and where they are refused."""

from pathlib import Path

import pytest

from rerank_plugins import CrossEncoderScorer, Reranker, UnsupportedOptionError
from rerank_plugins.cli import main
from rerank_plugins.process.quota import processors

REFUSED = [
    ("torch", "set OMP_NUM_THREADS=2 before the process starts, or call torch.set_num_threads(2)."),
    ("jax", "set NPROC=2 before the process starts."),
]


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_backend_takes_no_more_threads_than_it_is_given(backend: str) -> None:
    with (
        CrossEncoderScorer("embedded", backend=backend, threads=1) as one,
        CrossEncoderScorer("embedded", backend=backend, threads=1000) as many,
    ):
        assert one.plan().threads == 1
        assert many.plan().threads in range(1, processors() + 1)
        assert one.score("red fox", ["the fox"]) == pytest.approx(
            many.score("red fox", ["the fox"])
        )


def test_scorers_share_a_model_only_with_the_same_number_of_threads() -> None:
    with (
        CrossEncoderScorer("embedded", threads=1) as one,
        CrossEncoderScorer("embedded", threads=1) as same,
        CrossEncoderScorer("embedded", threads=2) as other,
        CrossEncoderScorer("embedded") as free,
    ):
        assert one._shared is same._shared
        assert len({each._shared for each in (one, other, free)}) == 3
        assert one.identity == free.identity  # they keep the same scores


def test_each_model_of_a_cascade_may_have_its_own() -> None:
    stage = {"model": "embedded", "keep": 1, "threads": 1}
    with Reranker.from_options(model="embedded", threads=2, cascade=[stage]) as reranker:
        assert len(reranker.rank("red fox", ["the fox", "a dog"])) == 1


@pytest.mark.parametrize(("backend", "instead"), REFUSED, ids=["torch", "jax"])
def test_threads_of_the_whole_process_are_refused(backend: str, instead: str) -> None:
    with (
        CrossEncoderScorer("embedded", backend=backend, threads=2) as scorer,
        pytest.raises(UnsupportedOptionError) as refusal,
    ):
        scorer.warm_up()
    assert str(refusal.value) == (
        "threads=2 is for backend='onnx' and backend='openvino', but 'embedded' runs in "
        f"{backend} (backend={backend!r} was asked for), whose threads are those of the whole "
        f"process. Leave it out, and {instead}"
    )


def test_a_model_that_auto_runs_in_torch_is_refused_too() -> None:
    with (
        CrossEncoderScorer("embedded", precision="fp16", threads=2) as scorer,
        pytest.raises(UnsupportedOptionError, match="torch because only there fp16 is offered"),
    ):
        scorer.warm_up()


def test_so_is_one_that_runs_in_torch_because_another_backend_failed(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr("rerank_plugins.backends.openvino.openvino_model", broken)
    with (
        CrossEncoderScorer(tiny_model, device="cpu", threads=2) as scorer,
        pytest.raises(UnsupportedOptionError, match=r"out of order.*torch\.set_num"),
    ):
        scorer.warm_up()


def test_the_plan_of_a_command_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "embedded", "--backend", "openvino", "--threads", "1"]) == 0
    assert "threads   1\n" in capsys.readouterr().out
    assert main(["plan", "embedded", "--backend", "torch", "--threads", "1"]) == 1
    assert "--threads 1 is for --backend onnx" in capsys.readouterr().err
