"""What is closed at the end of a `with`, or of an `async with`."""

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """Closes itself at the end of a `with`, without blocking an event loop in an `async with`."""

    @abstractmethod
    def close(self) -> None:
        """Releases what is held; a second call is fine."""

    @abstractmethod
    async def aclose(self) -> None:
        """`close` that never blocks the event loop."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()
