"""A thread with an event loop and an HTTP client: any thread hands over work, and gets a future.

A future that is cancelled ends its requests, so that the server can drop their work too.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from types import ModuleType
from typing import Any, TypeVar

from rerank_plugins.errors import ServerError
from rerank_plugins.process.extras import require

_Result = TypeVar("_Result")

_CONNECT_SECONDS = 10.0
_KEEP_SECONDS = 4.0
"""How long an idle connection is kept: less than servers do, uvicorn for 5 seconds, so that none is
used while the server closes it."""


class Connection:
    """The connections to one server, for any number of threads and event loops.

    Its thread starts with the first work.

    Args:
        most: How many requests may be open at the same time.

    Attributes:
        slots: Each request is to hold one of these.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.slots = asyncio.Semaphore(most)
        self._stop = asyncio.Event()
        self._lock = threading.Lock()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Any = None

    def start(self, work: Callable[[], Coroutine[Any, Any, _Result]]) -> "Future[_Result] | None":
        """Runs a coroutine on the thread; `None` if the connection is closed."""
        with self._lock:
            if self._closed:
                return None
            if self._loop is None:
                loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._run, args=(loop,), name="rerank-http", daemon=True
                )
                self._thread.start()
                self._loop = loop
            return asyncio.run_coroutine_threadsafe(work(), self._loop)

    def close(self, *, wait: bool) -> None:
        """Finishes the work that was handed over, and then ends the thread."""
        with self._lock:
            self._closed = True
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._stop.set)
        if wait and self._thread not in (None, threading.current_thread()):
            self._thread.join()

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, bytes]
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Sends a request from the thread; the status, the headers and the body of its answer.

        Redirects are not followed: they would take the key to another host.

        Raises:
            MissingExtraError: httpx is not installed.
            ServerError: There is no answer, or the environment's proxy or certificate settings
                cannot be used.
        """
        httpx = require_client()
        if self._client is None:  # made here, since it takes some time
            self._client = self._new_client(httpx)
        try:
            answer = await self._client.post(url, content=body, headers=headers)
        except (httpx.RequestError, httpx.InvalidURL, UnicodeError) as error:
            message = (
                f"{url} did not answer: {str(error) or type(error).__name__}. Check that the "
                "server runs and that url= is its address."
            )
            raise ServerError(message) from error
        return answer.status_code, answer.headers, answer.content

    def _new_client(self, httpx: ModuleType) -> Any:
        try:
            return httpx.AsyncClient(
                limits=httpx.Limits(max_connections=self._most, keepalive_expiry=_KEEP_SECONDS),
                timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),
            )
        except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
            message = (
                "the proxy or certificate settings of the environment cannot be used: "
                f"{str(error).rstrip('.')}. Correct or unset HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, "
                "NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR."
            )
            raise ServerError(message) from error

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._until_closed())

    async def _until_closed(self) -> None:
        await self._stop.wait()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*rest, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()


def require_client() -> ModuleType:
    """The library that sends requests.

    Raises:
        MissingExtraError: It is not installed.
    """
    return require("httpx", extra="http", purpose="Asking a server over HTTP")
