"""What the server logs: a line for each request, as text or as JSON, without its texts."""

import json
import logging
import re
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from rerank_plugins.server.exchange import Answer, Ask

_log = logging.getLogger(__name__)

_ID = re.compile(r"[\w.-]{1,100}", re.ASCII)
"""Ids of a client or a proxy that are taken over, in `x-request-id`."""


class JsonLines(logging.Formatter):
    """Writes each record as a JSON object in a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **getattr(record, "facts", {"message": record.getMessage()}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_config(form: str) -> dict[str, Any]:
    """Where log lines go and how they look, for the server's process.

    Args:
        form: `"text"` or `"json"`.
    """
    text = {"format": "%(asctime)s %(levelname)s %(message)s"}
    lines: dict[str, Any] = {"()": JsonLines} if form == "json" else text
    logger = {"handlers": ["stderr"], "level": "INFO", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": lines},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "loggers": {"uvicorn": logger, "rerank_plugins": logger},
    }


def request_id(request: Request) -> str:
    """The id that the client gave, if it is one, or a new one."""
    given = request.headers.get("x-request-id", "")
    return given if _ID.fullmatch(given) else uuid.uuid4().hex


@dataclass(slots=True)
class Entry:
    """What is logged of a request.

    Attributes:
        id: Its id.
        facts: What else is known of it so far, without its texts.
    """

    id: str
    facts: dict[str, Any] = field(default_factory=dict)
    _begun: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Since it came."""
        return time.perf_counter() - self._begun

    def asks(self, ask: Ask, *, with_texts: bool) -> None:
        """Takes note of what is asked."""
        self.facts["documents"] = len(ask.texts)
        if with_texts:
            self.facts |= {"queries": list(ask.queries), "texts": list(ask.texts)}

    def answers(self, answer: Answer) -> None:
        """Takes note of what is answered."""
        self.facts |= {"model": answer.model, "tokens": answer.work and answer.work.tokens}

    def write(self, status: int) -> None:
        """Logs it."""
        ms = round(1000 * self.seconds, 1)
        facts = {"id": self.id, **self.facts, "ms": ms, "status": status}
        known = {name: value for name, value in facts.items() if value is not None}
        # As ASCII, so that nothing that a client sends looks like a line of its own.
        text = " ".join(f"{name}={value!a}" for name, value in known.items())
        _log.info("%s", text, extra={"facts": known})
