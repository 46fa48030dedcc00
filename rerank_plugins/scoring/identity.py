"""What makes a scorer's numbers what they are: kept scores and calibrations belong to it."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Protocol

from rerank_plugins.errors import InvalidInputError, UnsupportedOptionError
from rerank_plugins.messages.values import described


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes the numbers of a scorer what they are.

    For a scorer of your own the first attribute is enough; change it whenever its scores change.

    Attributes:
        model: What tells the model from all others, such as a digest of its files.
        precision: The number format that it runs in.
        reading: The options that decide what it reads of a pair, and which output counts: those
            that are set.
        runtime: What computes the numbers: backend, kind of device, versions of the libraries.
    """

    model: str
    precision: str = ""
    reading: tuple[str, ...] = ()
    runtime: tuple[str, ...] = ()

    @property
    def meaning(self) -> str:
        """The digest of everything but `runtime`: of what a score means.

        In fp32 every backend gives the same logits to 1e-4. What was learnt about the scores of
        one, such as a threshold, therefore holds for those of another with the same meaning.
        """
        return _digest(self.model, self.precision, self.reading)

    @property
    def digest(self) -> str:
        """The digest of all: two scorers with the same one give a pair the same score."""
        return _digest(self.model, self.precision, self.reading, self.runtime)


class _Naming(Protocol):
    """The parts of a `Scorer` that this module uses."""

    @property
    def name(self) -> str:
        """The scorer's name in messages."""

    @property
    def identity(self) -> Identity | None:
        """What makes its numbers what they are."""


def named_identity(scorer: _Naming, purpose: str) -> Identity:
    """The identity of a scorer that needs one.

    Args:
        scorer: The scorer.
        purpose: What cannot be done without it, as the end of a sentence.

    Raises:
        UnsupportedOptionError: The scorer names none.
        InvalidInputError: A scorer of one's own names something else than an `Identity`.
    """
    identity: Any = scorer.identity
    if isinstance(identity, Identity):
        return identity
    if identity is None:
        message = (
            f"The scorer {scorer.name!r} names no identity, so {purpose}. A CrossEncoderScorer "
            "names one once its model is on this disk: call warm_up(). In a scorer of your own, "
            'set identity = Identity("my model, version 1"), and change it whenever its scores '
            "change."
        )
        raise UnsupportedOptionError(message)
    message = (
        f"The scorer {scorer.name!r} must name an Identity, but names {described(identity)}. Set "
        'identity = Identity("my model, version 1").'
    )
    raise InvalidInputError(message)


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode("utf-8")).hexdigest()
