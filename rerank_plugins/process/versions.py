"""Which versions of packages are installed."""

from collections.abc import Iterable


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """The version of each package that is installed, by its name."""
    from importlib.metadata import PackageNotFoundError, version  # slow, and few need it

    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
