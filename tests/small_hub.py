"""A model hub on the loopback interface: enough of its protocol to download a model from.

And a proxy that lets nobody through to one.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "c" * 40
TOKEN = "hf_let_me_in"


@contextmanager
def small_hub(
    models: dict[str, Path], *, gated: str, broken: str = ""
) -> Iterator[tuple[str, list[str]]]:
    """Serves folders as hub models; gives the endpoint and the list of files handed out.

    The connection ends in the middle of what it says about the `broken` one.
    """
    served: list[str] = []

    def files_of(folder: Path) -> dict[str, int]:
        files = (file for file in sorted(folder.rglob("*")) if file.is_file())
        return {file.relative_to(folder).as_posix(): file.stat().st_size for file in files}

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = unquote(urlsplit(self.path).path).strip("/")
            api = path.startswith("api/models/")
            parts = path.removeprefix("api/models/").split("/")
            if len(parts) < 4:
                self.refuse(404, "")  # what the client of a hub asks besides models
                return
            model, action, revision = "/".join(parts[:2]), parts[2], parts[3]
            if model == gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.refuse(403, "GatedRepo")
            elif model not in models:
                self.refuse(401, "RepoNotFound")
            elif revision not in ("main", COMMIT):
                self.refuse(404, "RevisionNotFound")
            elif api and action == "revision":
                names = [{"rfilename": name} for name in files_of(models[model])]
                content = {"id": model, "sha": COMMIT, "siblings": names}
                self.send_json(content, whole=model != broken)
            elif api:
                self.send_json(
                    [
                        {"type": "file", "path": name, "size": size, "oid": "0"}
                        for name, size in files_of(models[model]).items()
                    ]
                )
            else:
                self.send_file(models[model], "/".join(parts[4:]), body=body)

        def refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def send_json(self, content: object, *, whole: bool = True) -> None:
            payload = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload if whole else payload[:5])

        def send_file(self, folder: Path, name: str, *, body: bool) -> None:
            content = (folder / name).read_bytes()
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                served.append(name)
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keeps requests out of the test output."""

    with _serving(Handler) as address:
        yield address, served


@contextmanager
def refusing_proxy() -> Iterator[str]:
    """A proxy that forbids every connection; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            """Keeps requests out of the test output."""

    with _serving(Handler) as address:
        yield address


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
