"""Options as attributes of a ranker: assigned, copied, pickled, and the reranker that they describe."""

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Self

from haystack.utils import ComponentDevice, Secret
from haystack.utils.auth import EnvVarSecret

from haystack_integrations.components.rankers.rerank_plugins._device import torch_names
from haystack_integrations.components.rankers.rerank_plugins._token import DEFAULT_TOKEN, SecretToken
from rerank_plugins import CrossEncoderScorer, Reranker, Statistics
from rerank_plugins.wrappers import (
    WRAPPER_OPTIONS,
    check_items,
    check_kind,
    common_to_stages,
    plain_values,
    reranker_options,
)

OPTIONS = (*WRAPPER_OPTIONS, "meta_fields_to_embed", "embedding_separator", "scorer")
"""The names of a ranker's options."""

_OF_HAYSTACK = ("device", "token")
"""The options that are objects of Haystack's."""


class OptionAttributes:
    """
    Base of a component whose options are attributes. It makes the reranker when that is first needed.
    """

    _version = 0
    _made: tuple[Reranker, int] | None = None

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...  # the options, which are declared elsewhere

    def __setattr__(self, name: str, value: Any) -> None:
        """
        Assign an attribute. An option is checked on the next use, and takes effect then.
        """
        self.__dict__[name] = value
        if name in OPTIONS:
            self._version += 1

    @property
    def statistics(self) -> Statistics:
        """
        How many pairs were scored, and how many of them were cut, since an option was last assigned. With a cascade,
        these are the pairs of the last model.
        """
        return self._ready().scorer.statistics

    def warm_up(self) -> None:
        """
        Load the model, once.

        :raises rerank_plugins.ModelError: If the model cannot be loaded; a subclass says why.
        """
        self._ready().warm_up()

    async def warm_up_async(self) -> None:
        """
        Load the model, once, without blocking the event loop.

        :raises rerank_plugins.ModelError: If the model cannot be loaded; a subclass says why.
        """
        await self._ready().awarm_up()

    def close(self) -> None:
        """
        Release the model; a scorer that was handed in stays open. A later run loads it again.
        """
        made, self._made = self._made, None
        if made is not None:
            made[0].close()

    async def close_async(self) -> None:
        """
        Release the model without blocking the event loop. A later run loads it again.
        """
        made, self._made = self._made, None
        if made is not None:
            await made[0].aclose()

    def __getstate__(self) -> dict[str, Any]:
        """
        What is pickled: all options but a token that is written out in the secret.
        """
        token = self.token
        kept = token if isinstance(token, EnvVarSecret) else None
        return {**self.__dict__, "token": kept, "_made": None}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """
        A copy in this process, which keeps the token.
        """
        copied = memo[id(self)] = object.__new__(type(self))
        copied.__dict__.update(deepcopy({**self.__dict__, "_made": None}, memo))
        return copied

    def __copy__(self) -> Self:
        """
        A ranker of its own, which keeps the token and is in no pipeline yet.
        """
        copied = object.__new__(type(self))
        copied.__dict__.update({**self.__dict__, "_made": None, "__haystack_added_to_pipeline__": None})
        for sockets, connected in (("__haystack_input__", "senders"), ("__haystack_output__", "receivers")):
            copied.__dict__[sockets] = own = deepcopy(self.__dict__[sockets], {id(self): copied})
            for socket in own._sockets_dict.values():
                setattr(socket, connected, [])
        copied._ready()  # makes values of its own
        return copied

    def _get_telemetry_data(self) -> dict[str, Any]:
        return {"model": self._ready().scorer.name}

    def _ready(self) -> Reranker:
        """
        The reranker; a new one after `close`, and where an option was assigned.
        """
        made, version = self._made, self._version  # another thread may close the ranker meanwhile
        if made is None or made[1] != version:
            made = self._made = self._make(), version
        return made[0]

    def _make(self) -> Reranker:
        """
        The reranker of the options, whose values are made plain.
        """
        self.__dict__["meta_fields_to_embed"] = check_items(
            self.meta_fields_to_embed or [], str, "meta_fields_to_embed"
        )
        check_kind(self.embedding_separator, str, "embedding_separator")
        given = {name: self.__dict__[name] for name in WRAPPER_OPTIONS}
        plain = plain_values({name: value for name, value in given.items() if name not in _OF_HAYSTACK})
        device: Any = self.device
        token: Any = self.token
        if device is not None:
            hint = "Pass ComponentDevice.from_str('cpu'), or None to let the backend choose."
            device = torch_names(check_kind(device, ComponentDevice, "device", hint))
        if token is not None:
            hint = "Pass Secret.from_env_var('HF_TOKEN') or Secret.from_token(...)."
            token = SecretToken(check_kind(token, Secret, "token", hint))
        if self.token == DEFAULT_TOKEN and not self._takes_token(plain["cascade"]):
            token = None  # nobody gave it, so it is not refused
        given = {**plain, "device": device, "token": token}
        reranker = Reranker.from_options(**reranker_options(given), scorer=self.scorer)
        self.__dict__.update(plain)
        return reranker

    def _takes_token(self, cascade: list[dict[str, Any]] | None) -> bool:
        """
        Whether a model is loaded that has no token of the scorer's.
        """
        if self.scorer is None:
            return True
        return "token" in common_to_stages(cascade) and not isinstance(self.scorer, CrossEncoderScorer)
