"""Serves this folder to browsers on this machine.

Any web server will do. This one sends two headers besides, with which browsers let WebAssembly use
several threads.
"""

import argparse
import contextlib
import functools
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(SimpleHTTPRequestHandler):
    """Serves files, isolated from other origins."""

    def end_headers(self) -> None:
        """Adds the headers."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing about requests."""


def main() -> None:
    """Serves until it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="0 takes any free one")
    handler = functools.partial(Handler, directory=str(Path(__file__).parent))
    address = ("127.0.0.1", parser.parse_args().port)
    with ThreadingHTTPServer(address, handler) as server, contextlib.suppress(KeyboardInterrupt):
        print(f"http://localhost:{server.server_port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
