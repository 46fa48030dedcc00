"""What a folder's config.json and weights describe: an encoder and a head."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rerank_plugins.backends.architectures import NoGraphError
from rerank_plugins.backends.folders.modules import read_modules
from rerank_plugins.backends.graphs.config import Config, architecture_of
from rerank_plugins.backends.graphs.encoders.bert import bert, electra, roberta
from rerank_plugins.backends.graphs.encoders.contract import Encoder, Head
from rerank_plugins.backends.graphs.encoders.deberta import deberta
from rerank_plugins.backends.graphs.encoders.distilbert import distilbert
from rerank_plugins.backends.graphs.encoders.modernbert import modernbert
from rerank_plugins.backends.graphs.encoders.mpnet import mpnet
from rerank_plugins.backends.graphs.heads import deberta_head, first_token_head, modernbert_head
from rerank_plugins.backends.graphs.modular import modular_head
from rerank_plugins.backends.graphs.operations import Inputs, Operations, V
from rerank_plugins.backends.graphs.stored_weights import StoredWeights
from rerank_plugins.backends.weights import check_shapes
from rerank_plugins.models.json_files import read_json


@dataclass(frozen=True, slots=True)
class Network:
    """A cross-encoder from token ids to logits, and its weights.

    Attributes:
        encoder: The encoder.
        head: The head.
        weights: Where the weights are. Their keys and shapes are those that encoder and head read.
    """

    encoder: Encoder
    head: Head
    weights: StoredWeights

    def logits(self, ops: Operations[V], inputs: Inputs[V]) -> V:
        """Logits, `(b, columns)`."""
        states = self.encoder.states(ops, inputs, first=self.head.reads_first)
        return self.head.logits(ops, states, inputs)

    def read_once(self) -> tuple[str, ...]:
        """Beginnings of the keys of weights that meet one state per pair, not each token's."""
        head = tuple(name for name, _ in self.head.shapes())
        return (*head, self.encoder.last_layer) if self.head.reads_first else head


def read_network(folder: Path, name: str) -> Network:
    """The network in a folder that transformers or sentence-transformers saved.

    Args:
        folder: The model's folder.
        name: The model reference, for messages.

    Raises:
        NoGraphError: The model has something that graphs do not know.
        ModelError: Weights are missing, or have another shape than the config says.
    """
    encoder, head = read_parts(folder)
    modules = read_modules(folder)
    weights = StoredWeights(modules.folder, [module.folder for module in modules.later])
    wanted = dict([*encoder.shapes(), *head.shapes()])
    check_shapes(wanted, weights, modules.folder, name)
    for key in weights:
        if key not in wanted and not key.startswith(encoder.unread()):
            reason = f"its weights have {key}, which graphs do not know"
            raise NoGraphError(reason)
        if key in wanted and not weights.is_real(key):
            reason = f"its {key} is stored as {weights[key].dtype}"
            raise NoGraphError(reason)
    return Network(encoder, head, weights)


def read_parts(folder: Path) -> tuple[Encoder, Head]:
    """The encoder and head that a folder's files describe; its weights are not looked at.

    Raises:
        NoGraphError: The files have something that graphs do not know. The message is a clause
            about the model, such as `its config.json has ...`.
    """
    modules = read_modules(folder)
    content = read_json(modules.folder / "config.json")
    classifier = _CLASSIFIERS.get(content.get("model_type", ""))
    if classifier is None:
        reason = f"its architecture is {architecture_of(content)}"
        raise NoGraphError(reason)
    config = Config(content)
    encoder = classifier.encoder(config, "" if modules.later else classifier.prefix)
    if modules.later:
        head: Head = modular_head(modules)
        config.ignore(*_OF_HEADS)
    else:
        head = classifier.head(config, encoder.width)
    config.check_all_read()
    return encoder, head


_OF_HEADS = (
    "classifier_activation",
    "classifier_bias",
    "classifier_pooling",
    "id2label",
    "num_labels",
    "pooler_hidden_act",
    "pooler_hidden_size",
)
"""Keys that encoders alone do not read."""


@dataclass(frozen=True, slots=True)
class _Classifier:
    """A sequence-classification model of transformers."""

    encoder: Callable[[Config, str], Encoder]
    prefix: str
    head: Callable[[Config, int], Head]


_ROBERTA_HEAD = first_token_head("classifier.dense", "tanh", "classifier.out_proj")
_ROBERTA = _Classifier(roberta, "roberta.", _ROBERTA_HEAD)

_CLASSIFIERS = {
    "bert": _Classifier(bert, "bert.", first_token_head("bert.pooler.dense", "tanh", "classifier")),
    "camembert": _ROBERTA,
    "deberta-v2": _Classifier(deberta, "deberta.", deberta_head),
    "distilbert": _Classifier(
        distilbert, "distilbert.", first_token_head("pre_classifier", "relu", "classifier")
    ),
    "electra": _Classifier(
        electra,
        "electra.",
        first_token_head("classifier.dense", "gelu", "classifier.out_proj"),
    ),
    "modernbert": _Classifier(modernbert, "model.", modernbert_head),
    "mpnet": _Classifier(mpnet, "mpnet.", _ROBERTA_HEAD),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
}
"""By `model_type`, which is what transformers goes by too."""
