"""The folder that compiling writes: what may be replaced there, and how it is put in its place."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rerank_plugins.backends.graphs.bundle import FORMAT
from rerank_plugins.checks.values import check_folder, expanded
from rerank_plugins.errors import InvalidInputError, RerankError
from rerank_plugins.models.digests import file_digest
from rerank_plugins.models.files import OWN_FILES
from rerank_plugins.models.json_files import read_json
from rerank_plugins.models.references import MANIFEST_FILE
from rerank_plugins.process.folders import make_folder

GRAPHS = "onnx"
"""The folder of the graphs in the layout for transformers.js."""

JAVASCRIPT_FILES = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    f"{GRAPHS}/model.onnx",
    f"{GRAPHS}/model_fp16.onnx",
)

OURS = "rerank_plugins"
"""The part of a config.json in that layout that says that this package wrote it."""


def check_target(given: Any) -> Path:
    """The output folder, if writing it would delete nothing but what compiling wrote.

    Raises:
        InvalidInputError: It is no folder's path, cannot be read, or holds other files.
    """
    folder = check_folder(given, "output")
    if folder is None:
        message = "output must be a folder's path, but got None. Name the folder to write."
        raise InvalidInputError(message)
    output = expanded(folder, "output").resolve()
    try:
        lost = None
        if output.is_dir():
            lost = _not_compiled(output)
        elif output.exists():  # a file, or a device such as /dev/null
            lost = output.name
    except OSError as error:
        raise _unwritable(output, error) from error
    if lost is not None:
        message = (
            f"Writing to {str(output)!r} would delete {lost!r}, which is not a bundle's. Pass a "
            "new or empty folder, or a bundle to replace; or delete what is there yourself."
        )
        raise InvalidInputError(message)
    return output


def own_files_to_keep(target: Path, model: Path, digest: str | None) -> list[Path]:
    """The settings and the calibration that users put into a bundle, and that stay there.

    What compiling copied there from its model does not count: it goes with that model.

    Args:
        target: The output folder.
        model: The folder of the model, which may have the same files.
        digest: The `model_digest` of the model; `None` for a layout that has no such files.

    Raises:
        InvalidInputError: One would be lost.
    """
    manifest = read_json(target / MANIFEST_FILE)
    copied = manifest.get("copied", {})
    own = [target / name for name in OWN_FILES if (target / name).is_file()]
    own = [file for file in own if file_digest(file) != copied.get(file.name)]
    for file in own:
        other = model / file.name
        if other.is_file():
            stays = file.read_bytes() == other.read_bytes()
        else:
            stays = digest is not None and digest == manifest.get("model_digest")
        if not stays:
            message = (
                f"Writing to {str(target)!r} would delete its {file.name!r}. Pass another folder, "
                "or move that file away first."
            )
            raise InvalidInputError(message)
    return own


@contextmanager
def written_to(target: Path) -> Iterator[Path]:
    """An empty folder to write into, which takes the place of `target` once it is complete.

    Raises:
        InvalidInputError: The folder cannot be written.
    """
    parent = target.parent
    make_folder(parent)
    try:
        partial = Path(tempfile.mkdtemp(".partial", f"{target.name}.", parent))
    except OSError as error:
        raise _unwritable(parent, error) from error  # even where the target itself can be
    try:
        yield partial
        partial.chmod(0o755)  # temporary folders are readable for their owner only
        _put_in_place(partial, target)
    except RerankError:  # some are an OSError too
        raise
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _put_in_place(made: Path, target: Path) -> None:
    """Replaces the target; an interruption leaves either the old folder or the new one."""
    old = made.with_suffix(".old")
    try:
        if target.exists():
            target.rename(old)
        made.rename(target)
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        shutil.rmtree(old, ignore_errors=True)


def _unwritable(folder: Path, error: OSError) -> InvalidInputError:
    message = (
        f"{folder} cannot be written: {error.strerror or error}. Give another output folder, or "
        "this user the space and the right to write there."
    )
    return InvalidInputError(message)


def _not_compiled(folder: Path) -> str | None:
    """The name of an entry that compiling did not write, if there is one.

    Bundles of other versions count as bundles, because users are advised to compile them again.
    """
    manifest = read_json(folder / MANIFEST_FILE)
    checksums = manifest.get("sha256")
    written: set[str] = set()
    if OURS in read_json(folder / "config.json"):
        written = {GRAPHS, *JAVASCRIPT_FILES}
    elif _is_ours(manifest) and isinstance(checksums, dict):
        written = {MANIFEST_FILE, *OWN_FILES, *checksums}
    places = [each for each in (folder, folder / GRAPHS) if each.is_dir()]
    entries = [entry for place in places for entry in sorted(place.iterdir())]
    names = [entry.relative_to(folder).as_posix() for entry in entries]
    return next((name for name in names if name not in written), None)


def _is_ours(manifest: dict[str, Any]) -> bool:
    return str(manifest.get("format")).startswith(FORMAT.rstrip("0123456789"))
