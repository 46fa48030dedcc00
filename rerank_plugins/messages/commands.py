"""Commands as the user has to type them, also if the environment is not on the `PATH`."""

import json
import shlex
import shutil
import sysconfig
from pathlib import Path
from urllib.parse import urlsplit


def command(name: str) -> str:
    """How to call a script of this environment from the current folder.

    Args:
        name: The script, for example `"rerank"`.

    Returns:
        The name, if the `PATH` leads to this environment's script or the environment has none;
        otherwise the script's path.
    """
    script = shutil.which(name, path=sysconfig.get_path("scripts"))
    found = shutil.which(name)
    if script is None or (found is not None and Path(found).samefile(script)):
        return name
    return shlex.quote(short_path(Path(script)))


def install_command(extra: str) -> str:
    """The command that installs an extra from the same source as this package.

    Args:
        extra: An extra of the `rerank-plugins` distribution.
    """
    return f"{command('pip')} install {_requirement(extra)}"


def short_path(path: Path) -> str:
    """The path relative to the current folder, if it lies inside it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _requirement(extra: str) -> str:
    from importlib import metadata  # slow, as is the next, and only a message needs them
    from urllib.request import url2pathname

    named = f"rerank-plugins[{extra}]"
    try:
        noted = metadata.distribution("rerank-plugins").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        noted = None
    if noted is None:  # it came from the package index
        return f'"{named}"'
    origin = json.loads(noted)
    url = origin["url"]
    if origin.get("dir_info", {}).get("editable"):
        folder = short_path(Path(url2pathname(urlsplit(url).path)))
        return f'-e "{folder}[{extra}]"'
    if "vcs_info" in origin:
        url = f"{origin['vcs_info']['vcs']}+{url}@{origin['vcs_info']['commit_id']}"
    return f'"{named} @ {url}"'
