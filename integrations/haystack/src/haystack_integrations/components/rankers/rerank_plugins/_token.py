"""Haystack's secret as the core takes a token."""

import os
from dataclasses import dataclass, field

from haystack.utils import Secret
from haystack.utils.auth import EnvVarSecret

DEFAULT_TOKEN = Secret.from_env_var(["HF_API_TOKEN", "HF_TOKEN"], strict=False)
"""The token of a ranker that is given none."""


@dataclass(frozen=True, slots=True)
class SecretToken:
    """
    A secret as the core takes a token. Equal secrets are equal, so that rankers read from the same YAML share a model.
    """

    secret: Secret = field(repr=False)

    def __call__(self) -> str | None:
        """
        The token, when the model is loaded; of several variables the first that is not blank.
        """
        token: str | None = self.secret.resolve_value()
        if isinstance(self.secret, EnvVarSecret) and not (token or "").strip():
            values = (os.environ.get(name, "") for name in self.secret.to_dict()["env_vars"])
            return next((value for value in values if value.strip()), None)
        return token
