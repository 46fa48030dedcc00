"""Reads a config key by key, so that no key that changes the scores is passed over."""

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from rerank_plugins.backends.architectures import NoGraphError
from rerank_plugins.backends.graphs.operations import ACTIVATIONS

_HARMLESS = frozenset(
    (
        "_attn_implementation_autoset _name_or_path _num_labels architectures attention_dropout "
        "attention_probs_dropout_prob bos_token_id chunk_size_feed_forward classifier_dropout "
        "cls_token_id directionality dropout dtype emb_size eos_token_id finetuning_task "
        "gradient_checkpointing hidden_dropout_prob initializer_range is_encoder_decoder label2id "
        "language mask_token_id model_type output_attentions output_hidden_states output_past "
        "pad_token_id pre_trained problem_type return_dict sbert_ce_default_activation_function "
        "sentence_transformers sep_token_id tie_weights_ tie_word_embeddings tokenizer_class "
        "torch_dtype torchscript training transformers_version unk_token_id use_bfloat16 "
        "use_cache"
    ).split()
)
"""Keys that change no score: training, tokens that the tokenizer knows, words about the file."""


class Config:
    """The content of a config.json.

    Whatever was neither read nor declared harmless by the time of `check_all_read` is unknown, and
    unknown keys may change what the model computes.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content
        self._read = set(_HARMLESS)

    def value(self, key: str, default: Any) -> Any:
        """The value of a key, or what transformers takes where there is none."""
        self._read.add(key)
        return self._content.get(key, default)

    def size(self, key: str, default: int | None = None) -> int:
        """A size; without a default it must be there.

        Raises:
            NoGraphError: It is missing, or no whole number.
        """
        found = self.value(key, default)
        if type(found) is not int or found < 0:
            refuse(key, found)
        return found

    def activation(self, key: str, default: str) -> str:
        """The name of an activation.

        Raises:
            NoGraphError: It is none of the `ACTIVATIONS`.
        """
        return str(self.one_of(key, default, ACTIVATIONS))

    def one_of(self, key: str, default: Any, known: Iterable[Any]) -> Any:
        """A value that is one of those known.

        Raises:
            NoGraphError: It is another one.
        """
        found = self.value(key, default)
        if not any(found == each for each in known):
            refuse(key, found)
        return found

    def flag(self, key: str, default: bool) -> bool:
        """True or false.

        Raises:
            NoGraphError: It is neither.
        """
        return bool(self.one_of(key, default, [False, True]))

    def ignore(self, *keys: str) -> None:
        """Declares keys that this architecture has and that change no score."""
        self._read.update(keys)

    def columns(self) -> int:
        """The number of the head's columns.

        Raises:
            NoGraphError: Two keys say two numbers.
        """
        names = self.value("id2label", None)
        named = len(names) if names else 2
        found = self.size("num_labels", named)
        if names and found != named:
            refuse("num_labels", found)
        return found

    def check_all_read(self) -> None:
        """Refuses keys that nobody knows.

        Raises:
            NoGraphError: The message names one.
        """
        for key, value in self._content.items():
            # null, false and {} leave a feature out, whatever it is
            if key not in self._read and value not in (None, False, {}, []):
                refuse(key, value)


def refuse(key: str, value: Any) -> NoReturn:
    """Says that a value of a config is missing or not known.

    Raises:
        NoGraphError: Always.
    """
    reason = f"its config.json has {key}={value!r:.60}, which graphs do not know"
    if value is None:
        reason = f"its config.json has no {key!r}"
    raise NoGraphError(reason)


def architecture_of(content: Mapping[str, Any]) -> str:
    """The class of a model in transformers by its config.json, or else the type of the model."""
    return str((content.get("architectures") or [content.get("model_type")])[0])
