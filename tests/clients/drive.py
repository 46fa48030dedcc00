"""Hands calls to clients and prints what they make of the server's answers.

Runs in an environment of clients. Each line that comes in is a `Call`; each line that goes out has
its rows, or the error that the client raised.
"""

import importlib
import json
import sys

from calls import Call, Row


def rows(call: Call) -> list[Row]:
    module, _, function = call.driver.partition(".")
    return getattr(importlib.import_module(module), function)(call)


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # some clients print
    for line in sys.stdin:
        try:
            answer = {"rows": rows(Call(**json.loads(line)))}
        except Exception as error:
            answer = {"error": type(error).__name__, "message": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


main()
