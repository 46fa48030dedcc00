"""Copies and pickles of scorers that are made of options."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, ClassVar, Self


class MadeOfOptions(ABC):
    """A scorer whose copies and pickles are made of the same options again.

    Each has models, connections and counts of its own. All other attributes are kept, and the
    constructor of a subclass is not called. A subclass with an attribute that cannot be pickled
    leaves it out in `__getstate__` and makes it again in `__setstate__`.
    """

    _options: dict[str, Any]

    _secret: ClassVar[str]
    """The option that copies keep and pickles leave out."""

    _own: ClassVar[frozenset[str]]
    """The attributes that `_set_options` makes and no copy takes over."""

    @abstractmethod
    def _set_options(self, options: Mapping[str, Any]) -> None:
        """Checks the options and makes the attributes that depend on them."""

    def __getstate__(self) -> dict[str, Any]:
        """The options without the secret, and the attributes that a copy takes over."""
        own = self._own | {"_tally"}  # of `tally_of`: a copy starts to count anew
        kept = {name: value for name, value in dict(vars(self)).items() if name not in own}
        return {**kept, "_options": {**self._options, self._secret: None}}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        kept = dict(state)
        self._set_options(kept.pop("_options"))
        vars(self).update(kept)

    def __copy__(self) -> Self:
        """A scorer of its own in this process, which keeps the secret and shares attributes."""
        copied = object.__new__(type(self))
        copied.__setstate__({**self.__getstate__(), "_options": self._options})
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copied = memo[id(self)] = object.__new__(type(self))
        state = deepcopy(self.__getstate__(), memo)
        copied.__setstate__({**state, "_options": self._options})
        return copied
