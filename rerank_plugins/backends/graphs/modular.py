"""Heads made of sentence-transformers' modules: pooling, dense layers and norms."""

from dataclasses import dataclass, field
from typing import Any

from rerank_plugins.backends.architectures import NoGraphError
from rerank_plugins.backends.folders.modules import Module, Modules
from rerank_plugins.backends.graphs.config import Config, refuse
from rerank_plugins.backends.graphs.encoders.contract import Shapes, linear_shapes, norm_shapes
from rerank_plugins.backends.graphs.operations import Inputs, Operations, V
from rerank_plugins.backends.graphs.pooling import MODES, pooled

_STATES = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
_STATE, _SCORES = "sentence_embedding", "scores"
_EPSILON = 1e-5  # torch's, which the module leaves as it is
_ACTIVATIONS = {
    "torch.nn.modules.activation.GELU": "gelu",
    "torch.nn.modules.activation.ReLU": "relu",
    "torch.nn.modules.activation.SiLU": "silu",
    "torch.nn.modules.activation.Sigmoid": "sigmoid",
    "torch.nn.modules.activation.Tanh": "tanh",
    "torch.nn.modules.linear.Identity": "linear",
}
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""How poolings were chosen before sentence-transformers 5.4, in the order of their states."""


@dataclass(frozen=True, slots=True)
class Dense:
    """A linear layer and an activation, beside which the input may go on.

    Attributes:
        name: Beginning of its keys.
        source: The name of its input among the values that modules hand on.
        target: The name of its output.
        inputs: Width of the input.
        outputs: Width of the output.
        activation: The activation.
        bias: Whether the layer has a bias.
        adds_input: Whether the input is added to the output, through a matrix if widths differ.
    """

    name: str
    source: str
    target: str
    inputs: int
    outputs: int
    activation: str
    bias: bool
    adds_input: bool

    def shapes(self) -> Shapes:
        """The weights that it reads."""
        yield from linear_shapes(f"{self.name}linear", self.outputs, self.inputs, bias=self.bias)
        if self.adds_input and self.inputs != self.outputs:
            residual = f"{self.name}residual"
            yield from linear_shapes(residual, self.outputs, self.inputs, bias=False)

    def applied(self, ops: Operations[V], state: V) -> V:
        """The output for an input `(b, inputs)`."""
        result = ops.activation(ops.linear(state, f"{self.name}linear"), self.activation)
        if not self.adds_input:
            return result
        if self.inputs != self.outputs:
            state = ops.linear(state, f"{self.name}residual")
        return ops.add(result, state)


@dataclass(frozen=True, slots=True)
class Norm:
    """A layer normalisation.

    Attributes:
        name: Beginning of its keys.
        width: Width of the state.
    """

    name: str
    width: int
    source: str = field(default=_STATE, init=False)
    target: str = field(default=_STATE, init=False)

    def shapes(self) -> Shapes:
        """The weights that it reads."""
        yield from norm_shapes(f"{self.name}norm", self.width)

    def applied(self, ops: Operations[V], state: V) -> V:
        """The output for an input `(b, width)`."""
        return ops.norm(state, f"{self.name}norm", _EPSILON)


@dataclass(frozen=True, slots=True)
class ModularHead:
    """Pooling, and what leads from one state to scores.

    Attributes:
        modes: The poolings, whose states lie side by side.
        steps: The modules after it.
    """

    modes: tuple[str, ...]
    steps: tuple[Dense | Norm, ...]

    @property
    def reads_first(self) -> bool:
        """Whether it reads the first token only."""
        return self.modes == ("cls",)

    def shapes(self) -> Shapes:
        """The weights that it reads."""
        for step in self.steps:
            yield from step.shapes()

    def logits(self, ops: Operations[V], states: V, inputs: Inputs[V]) -> V:
        """Logits `(b, columns)`, from states as `reads_first` says."""
        state = ops.concatenate([pooled(ops, states, inputs, mode) for mode in self.modes], -1)
        values = {_STATE: state}
        for step in self.steps:
            values[step.target] = step.applied(ops, values[step.source])
        return values[_SCORES]


def modular_head(modules: Modules) -> ModularHead:
    """The head that modules after a transformer make.

    Raises:
        NoGraphError: One of them, or something in its config.json, is not known.
    """
    pooling, *others = modules.later
    _check_states(modules)
    if pooling.kind != "Pooling":
        reason = f"its transformer is followed by {pooling.kind}, and not by Pooling"
        raise NoGraphError(reason)
    steps = tuple(_step(module) for module in others if module.kind != "Dropout")
    known = {_STATE}
    for step in steps:
        if step.source not in known:
            refuse("module_input_name", step.source)
        known.add(step.target)
    if _SCORES not in known:
        reason = "its modules give no scores"
        raise NoGraphError(reason)
    return ModularHead(_modes(Config(pooling.settings)), steps)


def _check_states(modules: Modules) -> None:
    """Refuses a transformer that hands on something else than its last states."""
    settings = modules.settings or {}
    text = (settings.get("modality_config") or _STATES)["text"]
    handed = (modules.task, text, settings.get("module_output_name", "token_embeddings"))
    if handed != ("feature-extraction", _STATES["text"], "token_embeddings"):
        reason = f"its transformer computes {handed}, and not the states of its tokens"
        raise NoGraphError(reason)


def _modes(config: Config) -> tuple[str, ...]:
    config.ignore("embedding_dimension", "word_embedding_dimension")
    config.one_of("include_prompt", True, [True])
    flagged = [mode for flag, mode in _FLAGS.items() if config.value(flag, False)]
    given: Any = config.value("pooling_mode", None) or flagged or "mean"
    config.check_all_read()
    modes = (given,) if isinstance(given, str) else tuple(given)
    if not {*modes} <= MODES.keys():
        refuse("pooling_mode", given)
    return modes


def _step(module: Module) -> Dense | Norm:
    config, name = Config(module.settings), f"{module.folder.name}/"
    if module.kind == "Dense":
        step: Dense | Norm = _dense(config, name)
    elif module.kind == "LayerNorm":
        step = Norm(name, config.size("dimension"))
    else:
        reason = f"its module {module.kind} is not known to graphs"
        raise NoGraphError(reason)
    config.check_all_read()
    return step


def _dense(config: Config, name: str) -> Dense:
    activation = config.value("activation_function", "torch.nn.modules.activation.Tanh")
    if activation not in _ACTIVATIONS:
        refuse("activation_function", activation)
    source = config.value("module_input_name", _STATE)
    return Dense(
        name=name,
        source=source,
        target=config.value("module_output_name", None) or source,
        inputs=config.size("in_features"),
        outputs=config.size("out_features"),
        activation=_ACTIVATIONS[activation],
        bias=config.flag("bias", True),
        adds_input=config.flag("use_residual", False),
    )
