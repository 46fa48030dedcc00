"""Clients that misbehave in every way that a server meets, among others that do not."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.serving.http_calls import answered, head

TOKEN = "soak-token"
MAX_BODY = 200_000
POISON = "unembeddedtoken"
"""A word that the tokenizer knows and the model has no embedding for: its batch fails."""

_CLOSE = 1e-4
_SLOW_BYTES, _SLOW_SECONDS = 2_000, 0.01


class WrongAnswerError(AssertionError):
    """An answer that is not what this request has to get."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request, and the score of each document."""

    body: Mapping[str, Any]
    scores: Sequence[float]


class Client:
    """Does one of these things at a time, and checks what comes back.

    Args:
        port: The server's.
        questions: Requests whose scores are known.
        chance: Chooses what is done.
    """

    def __init__(self, port: int, questions: Sequence[Question], chance: random.Random) -> None:
        self._port = port
        self._questions = questions
        self._chance = chance

    def next(self) -> tuple[str, Callable[[], Awaitable[str]]]:
        """The next thing to do, and its name."""
        actions = {
            "asks": (self.asks, 8),
            "reads slowly": (self.reads_slowly, 2),
            "leaves": (self.leaves, 2),
            "leaves in its body": (self.leaves_in_its_body, 1),
            "sends no JSON": (self.sends_no_json, 1),
            "sends too much": (self.sends_too_much, 1),
            "has a wrong token": (self.has_a_wrong_token, 1),
            "sends poison": (self.sends_poison, 1),
            "fills the queue": (self.fills_the_queue, 1),
        }
        weights = [weight for _, weight in actions.values()]
        (name,) = self._chance.choices(list(actions), weights)
        return name, actions[name][0]

    async def asks(self) -> str:
        """Sends a request and reads its answer."""
        return await self._asked(slowly=False)

    async def reads_slowly(self) -> str:
        """Reads its answer in small parts."""
        return await self._asked(slowly=True)

    async def _asked(self, *, slowly: bool) -> str:
        question = self._chance.choice(self._questions)
        status, answer = await self._sent(json.dumps(question.body).encode(), slowly=slowly)
        if status == 429:
            return "429"
        scores = {row["index"]: row["relevance_score"] for row in answer.get("results", ())}
        wanted = dict(enumerate(question.scores))
        if status != 200 or scores.keys() != wanted.keys():
            raise WrongAnswerError(status, answer)
        if any(abs(scores[place] - wanted[place]) > _CLOSE for place in wanted):
            raise WrongAnswerError(scores, wanted)
        return "200"

    async def leaves(self) -> str:
        """Sends a request and is gone before its answer."""
        _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        body = json.dumps(self._chance.choice(self._questions).body).encode()
        writer.write(head(len(body), TOKEN) + body)
        await writer.drain()
        await asyncio.sleep(self._chance.random() / 2)
        writer.close()
        return "gone"

    async def leaves_in_its_body(self) -> str:
        """Is gone before its request is complete."""
        _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(head(1000, TOKEN) + b'{"query": "')
        await writer.drain()
        writer.close()
        return "gone"

    async def sends_no_json(self) -> str:
        """Sends half a value."""
        return await self._refused(b'{"query": ', 400)

    async def sends_too_much(self) -> str:
        """Sends a body that is too long."""
        return await self._refused(b" " * (MAX_BODY + 1), 413)

    async def has_a_wrong_token(self) -> str:
        """Sends a request that it may not send."""
        body = json.dumps(self._questions[0].body).encode()
        return await self._refused(body, 401, token="another")

    async def sends_poison(self) -> str:
        """Sends a document that makes every batch with it fail."""
        body = {"query": "red fox", "documents": ["a dog", f"a {POISON}"]}
        return await self._refused(json.dumps(body).encode(), 500)

    async def fills_the_queue(self) -> str:
        """Sends more documents than there is room for while anybody waits."""
        documents = [f"{self._chance.random()}" for _ in range(1000)]
        body = json.dumps({"query": "fox", "documents": documents}).encode()
        status, answer = await self._sent(body)
        if status not in (200, 429) or (status == 200) != (len(answer.get("results", ())) == 1000):
            raise WrongAnswerError(status, answer)
        return str(status)

    async def _refused(self, body: bytes, wanted: int, token: str = TOKEN) -> str:
        status, answer = await self._sent(body, token=token)
        if status not in (wanted, 429) or not answer["message"]:
            raise WrongAnswerError(wanted, status, answer)
        return str(status)

    async def _sent(
        self, body: bytes, *, token: str = TOKEN, slowly: bool = False
    ) -> tuple[int, Any]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**13)
        try:
            writer.write(head(len(body), token) + body)
            status, size = await answered(reader)
            parts = []
            while size:
                parts.append(await reader.read(min(size, _SLOW_BYTES if slowly else size)))
                if not parts[-1]:
                    raise ConnectionResetError
                size -= len(parts[-1])
                if slowly:
                    await asyncio.sleep(_SLOW_SECONDS)
            return status, json.loads(b"".join(parts))
        finally:
            writer.close()
