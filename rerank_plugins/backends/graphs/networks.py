"""What a folder's config.json and weights describe: an encoder and a head."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rerank_plugins.backends.architectures import NoGraphError
from rerank_plugins.backends.graphs.config import Config
from rerank_plugins.backends.graphs.encoders.bert import bert, electra, roberta
from rerank_plugins.backends.graphs.encoders.contract import Encoder, Head
from rerank_plugins.backends.graphs.encoders.distilbert import distilbert
from rerank_plugins.backends.graphs.encoders.mpnet import mpnet
from rerank_plugins.backends.graphs.heads import first_token_head
from rerank_plugins.backends.graphs.operations import Inputs, Operations, V
from rerank_plugins.backends.graphs.stored_weights import StoredWeights
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


def read_network(folder: Path) -> Network:
    """The network in a folder that transformers saved.

    Raises:
        NoGraphError: The message says what is not known, for `its ...` to be put into a sentence.
    """
    content = read_json(folder / "config.json")
    architecture = (content.get("architectures") or ["none"])[0]
    if architecture not in _CLASSIFIERS:
        reason = f"its architecture is {architecture}"
        raise NoGraphError(reason)
    config = Config(content)
    classifier = _CLASSIFIERS[architecture]
    encoder = classifier.encoder(config, classifier.prefix)
    head = classifier.head(config, encoder.width)
    config.check_all_read()
    try:
        weights = StoredWeights(folder)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        reason = f"its weights cannot be read ({type(error).__name__}: {error})"
        raise NoGraphError(reason) from error
    _check_weights(weights, dict([*encoder.shapes(), *head.shapes()]), encoder.unread())
    return Network(encoder, head, weights)


def _check_weights(
    weights: StoredWeights, wanted: Mapping[str, tuple[int, ...]], unread: tuple[str, ...]
) -> None:
    """Refuses weights that are not there, of another shape or type, or not described."""
    for name, shape in wanted.items():
        if name not in weights:
            reason = f"its weights have no {name}"
            raise NoGraphError(reason)
        if weights[name].shape != shape:
            found = list(weights[name].shape)
            reason = f"its {name} has the shape {found}, not {list(shape)}"
            raise NoGraphError(reason)
        if not weights.is_real(name):
            reason = f"its {name} is stored as {weights[name].dtype}"
            raise NoGraphError(reason)
    for name in weights:
        if name not in wanted and not name.startswith(unread):
            reason = f"its weights have {name}, which graphs do not know"
            raise NoGraphError(reason)


@dataclass(frozen=True, slots=True)
class _Classifier:
    """A sequence-classification model of transformers."""

    encoder: Callable[[Config, str], Encoder]
    prefix: str
    head: Callable[[Config, int], Head]


_ROBERTA_HEAD = first_token_head("classifier.dense", "tanh", "classifier.out_proj")
_ROBERTA = _Classifier(roberta, "roberta.", _ROBERTA_HEAD)

_CLASSIFIERS = {
    "BertForSequenceClassification": _Classifier(
        bert, "bert.", first_token_head("bert.pooler.dense", "tanh", "classifier")
    ),
    "CamembertForSequenceClassification": _ROBERTA,
    "DistilBertForSequenceClassification": _Classifier(
        distilbert, "distilbert.", first_token_head("pre_classifier", "relu", "classifier")
    ),
    "ElectraForSequenceClassification": _Classifier(
        electra,
        "electra.",
        first_token_head("classifier.dense", "gelu", "classifier.out_proj"),
    ),
    "MPNetForSequenceClassification": _Classifier(mpnet, "mpnet.", _ROBERTA_HEAD),
    "RobertaForSequenceClassification": _ROBERTA,
    "XLMRobertaForSequenceClassification": _ROBERTA,
}
"""By the class of the whole model in transformers."""
