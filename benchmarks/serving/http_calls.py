"""The load generator: callers with a connection each, to one or several ports of this machine.

It writes and reads HTTP by itself: a client library would take a larger share of the processors.
In: as `calls`, with {"ports"}, to which callers connect in turn.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.serving.calls import Call, Request, serve

_HEAD = (
    "POST /rerank HTTP/1.1\r\nhost: localhost\r\n"
    "content-type: application/json\r\ncontent-length: {size}\r\nauthorization: {token}\r\n\r\n"
)


@asynccontextmanager
async def connection(number: int, asked: Request) -> AsyncIterator[Call]:
    """A connection that stays open."""
    ports = asked["ports"]
    reader, writer = await asyncio.open_connection("127.0.0.1", ports[number % len(ports)])

    async def call(request: Request) -> int:
        given = {"model": "embedded", "return_documents": False, **request}
        status, answer = await exchange(reader, writer, json.dumps(given).encode())
        return int(answer["results"][0]["index"]) if status == 200 else -1

    yield call
    writer.close()


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes
) -> tuple[int, Any]:
    """Sends a body; the status and the value of the answer."""
    writer.write(head(len(body)) + body)
    await writer.drain()
    status, size = await answered(reader)
    return status, json.loads(await reader.readexactly(size))


def head(size: int, token: str = "") -> bytes:
    """What is sent before a body."""
    return _HEAD.format(size=size, token=token).encode()


async def answered(reader: asyncio.StreamReader) -> tuple[int, int]:
    """The status of an answer, and the bytes of its body, which is next."""
    read = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    size = read.partition("content-length:")[2].partition("\r\n")[0]
    return int(read.split(maxsplit=2)[1]), int(size)


if __name__ == "__main__":
    serve(connection)
