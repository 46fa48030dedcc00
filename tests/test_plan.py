"""Which backend and precision are chosen, what is refused, and that the reason is told."""

from pathlib import Path

import pytest

from rerank_plugins import CrossEncoderScorer, Plan, UnsupportedOptionError
from rerank_plugins.backends import choice
from rerank_plugins.backends.choice import choose
from rerank_plugins.backends.machine import cpu_has_bf16
from rerank_plugins.models.references import EMBEDDED_FOLDER
from rerank_plugins.models.settings import ModelSettings


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with OpenVINO and bf16 and without a GPU, whatever this one has."""
    monkeypatch.setattr(choice, "is_installed", lambda package: True)
    monkeypatch.setattr(choice, "cpu_has_bf16", lambda: True)
    monkeypatch.setattr(choice, "has_accelerator", lambda: False)
    return monkeypatch


@pytest.mark.parametrize(
    ("settings", "chosen"),
    [
        (ModelSettings("embedded"), "onnx fp32"),
        (ModelSettings("embedded", device="cpu"), "onnx fp32"),
        (ModelSettings("embedded", device="cpu:0"), "onnx fp32"),
        (ModelSettings("some/model", device="cpu:0"), "openvino fp32"),
        (ModelSettings("some/model", device="cpu:0", backend="onnx"), "onnx fp32"),
        (ModelSettings("embedded", backend="openvino"), "openvino fp32"),
        (ModelSettings("embedded", precision="auto"), "openvino bf16"),
        (ModelSettings("embedded", precision="auto", backend="openvino"), "openvino bf16"),
        (ModelSettings("embedded", precision="auto", backend="onnx"), "onnx fp32"),
        (ModelSettings("embedded", precision="auto", backend="torch"), "torch fp32"),
        (ModelSettings("embedded", precision="bf16"), "openvino bf16"),
        (ModelSettings("embedded", precision="int8"), "openvino int8"),
        (ModelSettings("embedded", precision="fp16"), "torch fp16"),
        (ModelSettings("embedded", backend="torch"), "torch fp32"),
        (ModelSettings("embedded", backend="jax"), "jax fp32"),
        (ModelSettings("embedded", backend="jax", precision="auto"), "jax fp32"),
        (ModelSettings("embedded", backend="jax", precision="bf16", device="cpu"), "jax bf16"),
        (ModelSettings("embedded", device="cuda"), "torch fp32"),
        (ModelSettings("embedded", device="cuda", precision="auto"), "torch fp32"),
        (ModelSettings("some/model"), "openvino fp32"),
        (ModelSettings("some/model", precision="auto"), "openvino fp32"),
        (ModelSettings("some/model", precision="bf16", backend="torch"), "torch bf16"),
    ],
    ids=str,
)
def test_the_choice_on_a_processor_with_bf16_and_openvino(
    machine: pytest.MonkeyPatch, settings: ModelSettings, chosen: str
) -> None:
    plan = choose(settings, EMBEDDED_FOLDER)
    assert f"{plan.backend} {plan.precision}" == chosen
    assert plan.reason


@pytest.mark.parametrize(
    ("lacking", "settings", "chosen"),
    [
        ("openvino", ModelSettings("embedded"), "onnx fp32"),
        ("openvino", ModelSettings("embedded", precision="bf16"), "torch bf16"),
        ("openvino", ModelSettings("embedded", precision="auto"), "onnx fp32"),
        ("bf16", ModelSettings("embedded", precision="auto"), "onnx fp32"),
        ("openvino", ModelSettings("some/model"), "onnx fp32"),
        ("openvino", ModelSettings("some/model", precision="bf16"), "torch bf16"),
        ("bf16", ModelSettings("embedded", precision="bf16"), "torch bf16"),
        ("bf16", ModelSettings("some/model"), "openvino fp32"),
    ],
    ids=str,
)
def test_the_choice_where_something_is_lacking(
    machine: pytest.MonkeyPatch, lacking: str, settings: ModelSettings, chosen: str
) -> None:
    if lacking == "openvino":
        machine.setattr(choice, "is_installed", lambda package: package != "openvino")
    else:
        machine.setattr(choice, "cpu_has_bf16", lambda: False)
    plan = choose(settings, EMBEDDED_FOLDER)
    assert f"{plan.backend} {plan.precision}" == chosen


def test_a_gpu_is_preferred_to_openvino_for_models_of_others(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(choice, "has_accelerator", lambda: True)
    assert choose(ModelSettings("some/model"), EMBEDDED_FOLDER).backend == "torch"
    assert choose(ModelSettings("some/model", device="cpu"), EMBEDDED_FOLDER).backend == "openvino"
    assert choose(ModelSettings("embedded"), EMBEDDED_FOLDER).backend == "onnx"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"backend": "onnx", "precision": "int8"}, "Use backend='openvino' for int8"),
        ({"backend": "onnx", "precision": "bf16"}, "backend='torch' or backend='openvino'"),
        ({"backend": "torch", "precision": "int8"}, "Use backend='openvino' for int8"),
        ({"backend": "openvino", "precision": "fp16"}, "Use backend='torch' for fp16"),
        ({"backend": "openvino", "device": "cuda"}, "Use backend='torch' for other devices"),
        ({"backend": "onnx", "device": "cuda"}, "Use backend='torch' for other devices"),
        ({"precision": "int8", "device": "cuda"}, "Use backend='torch' for other devices"),
        ({"backend": "jax", "precision": "int8"}, "jax' runs fp32, bf16; .* backend='openvino'"),
        ({"backend": "jax", "precision": "fp16"}, "Use backend='torch' for fp16"),
        ({"backend": "jax", "device": "cuda"}, "first device that JAX finds, or on device='cpu'"),
    ],
)
def test_what_a_backend_cannot_do_is_refused_with_one_that_can(
    machine: pytest.MonkeyPatch, options: dict[str, str], told: str
) -> None:
    with (
        CrossEncoderScorer("embedded", **options) as scorer,
        pytest.raises(UnsupportedOptionError, match=told),
    ):
        scorer.warm_up()


def test_bf16_is_refused_on_a_processor_without_it(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(choice, "cpu_has_bf16", lambda: False)
    settings = ModelSettings("embedded", backend="openvino", precision="bf16")
    with pytest.raises(UnsupportedOptionError, match="this one has none"):
        choose(settings, EMBEDDED_FOLDER)


def test_a_scorer_tells_how_it_runs_the_model(tiny_model: Path) -> None:
    with CrossEncoderScorer("embedded", backend="openvino") as scorer:
        plan = scorer.plan()
    assert (plan.backend, plan.precision, plan.streams) == ("openvino", "fp32", 1)
    assert plan.threads is not None
    assert plan.threads >= 1
    assert "asked for" in plan.reason
    with CrossEncoderScorer(tiny_model, backend="torch", device="cpu") as scorer:
        assert scorer.plan() == Plan("torch", "fp32", scorer.plan().reason, scorer.plan().threads)


def test_openvino_runs_in_the_precision_it_was_told_and_not_in_its_default() -> None:
    from rerank_plugins.backends.graphs.described import described_graph
    from rerank_plugins.backends.openvino import OpenVinoForward

    graph, description = described_graph(EMBEDDED_FOLDER, "embedded")
    for precision, wanted in (("fp32", "f32"), ("bf16", "bf16")):
        if precision == "bf16" and not cpu_has_bf16():
            pytest.skip("this processor has no bf16 instructions")
        model = OpenVinoForward(graph, description.inputs, precision=precision)._model
        assert model.get_property("INFERENCE_PRECISION_HINT").to_string() == wanted
