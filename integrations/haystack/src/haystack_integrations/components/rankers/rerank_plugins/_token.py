"""Haystack's secret as the core takes a token."""

from dataclasses import dataclass, field

from haystack.utils import Secret


@dataclass(frozen=True, slots=True)
class SecretToken:
    """
    A secret as the core takes a token. Equal secrets are equal, so that rankers read from the same YAML share a model.
    """

    secret: Secret = field(repr=False)

    def __call__(self) -> str | None:
        """
        The token, when the model is loaded.
        """
        token: str | None = self.secret.resolve_value()
        return token
