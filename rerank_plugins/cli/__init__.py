"""The `rerank` command: a demo, reranking of files, evaluation, training.

In: a command line. Out: files, tables and pages. Private to the package: `rerank` is its entry
point.
"""

import errno
import io
import sys
from collections.abc import Sequence

from rerank_plugins.cli.streams import drop_output, usable_streams
from rerank_plugins.errors import MissingExtraError, RerankError
from rerank_plugins.messages.spelling import command_options
from rerank_plugins.process.extras import require

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code.

    The exit code is 0 for success, 1 for an error (reported in one line on standard error), 2 for
    wrong usage, and 130 for an interrupt.

    Args:
        arguments: The arguments after the command's name; `None` takes those of the process.
    """
    typed = list(sys.argv[1:] if arguments is None else arguments)
    with usable_streams(), command_options():
        if isinstance(sys.stdout, io.TextIOWrapper):
            # A terminal may lack some characters; files and pipes are UTF-8 everywhere.
            encoding = sys.stdout.encoding if sys.stdout.isatty() else "utf-8"
            sys.stdout.reconfigure(encoding=encoding, errors="replace")
        try:
            for module in ("typer", "rich"):
                require(module, extra="cli", purpose="The rerank command")
        except MissingExtraError as error:
            sys.stderr.write(f"error: {error}\n")
            return 1
        return _run(typed)


def _run(typed: list[str]) -> int:
    from rerank_plugins.cli.app import app
    from rerank_plugins.cli.errors import show

    try:
        app(args=typed, prog_name="rerank", obj=typed)
    except RerankError as error:
        show("error", str(error))
        return 1
    except OSError as error:
        if error.errno == errno.ENOSPC:
            drop_output()
            message = f"cannot write {error.filename or 'the result'}: {error.strerror}."
        elif error.filename is not None:
            message = (
                f"cannot read or write {error.filename}: {error.strerror}. Check the path, and "
                "that this user has the right to it."
            )
        else:
            raise
        show("error", message)
        return 1
    except KeyboardInterrupt:
        return 130
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
