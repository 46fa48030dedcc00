"""Runs a service on a port until a signal ends it."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator, Sequence
from types import FrameType

import uvicorn

from rerank_plugins.errors import InvalidInputError
from rerank_plugins.messages.spelling import option
from rerank_plugins.server.app import make_app
from rerank_plugins.server.logs import log_config
from rerank_plugins.server.service import Service

_LAST_SECONDS = 2
"""How long clients may take to read that their request is given up."""


class _Server(uvicorn.Server):
    """A server that ends with exit code 0 after a signal, once the open requests are answered."""

    def __init__(self, config: uvicorn.Config, service: Service, drain_seconds: int) -> None:
        super().__init__(config)
        self._service = service
        self._drain_seconds = drain_seconds

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handles signals; uvicorn's own would raise them again at the end."""
        signals = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(one, self.handle_exit) for one in signals]
        try:
            yield
        finally:
            for one, handler in zip(signals, before, strict=True):
                signal.signal(one, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Refuses new work from now on."""
        self._service.phase = "draining"
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Waits for the open requests; uvicorn would end them without the dialect's error."""
        asyncio.get_running_loop().call_later(self._drain_seconds, self._service.give_up)
        await super().shutdown(sockets)


def check_address(host: str, port: int) -> None:
    """Refuses an address that cannot be listened on, before a model is loaded for it.

    Raises:
        InvalidInputError: The port is taken or out of range, or the host is not this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            tried.bind((host, port))
    except (OSError, OverflowError) as error:
        message = (
            f"{option('host', host)} {option('port', port)} cannot be listened on: {error}. Give a "
            f"free port, or {option('port', 0)} to take one; {option('host', '127.0.0.1')} is this "
            "machine alone, and 0.0.0.0 all its networks."
        )
        raise InvalidInputError(message) from error


def run(
    service: Service,
    *,
    host: str,
    port: int,
    tokens: Sequence[str] = (),
    drain_seconds: int,
    cors_origin: str | None = None,
    log_format: str = "text",
    lazy: bool = False,
) -> None:
    """Serves until SIGINT or SIGTERM, and then finishes what is open.

    Args:
        service: The service.
        host: Address to listen on.
        port: Port to listen on.
        tokens: As in `make_app`.
        drain_seconds: Seconds after which open requests are given up.
        cors_origin: As in `make_app`.
        log_format: As in `log_config`.
        lazy: As in `make_app`.
    """
    config = uvicorn.Config(
        make_app(service, tokens=tokens, cors_origin=cors_origin, lazy=lazy),
        host=host,
        port=port,
        timeout_graceful_shutdown=drain_seconds + _LAST_SECONDS,
        access_log=False,
        log_config=log_config(log_format),
        server_header=False,
    )
    _Server(config, service, drain_seconds).run()
