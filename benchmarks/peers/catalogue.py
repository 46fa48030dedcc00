"""The peers that are measured, as catalogue.toml lists them."""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers.export import WEIGHTS

CATALOGUE = Path(__file__).parent / "catalogue.toml"
WORKERS = Path(__file__).parent / "workers"
SCALES = ("logit", "probability")


@dataclass(frozen=True, slots=True)
class Environment:
    """What is installed for a peer.

    Attributes:
        name: Its folder.
        requirements: Pinned.
        constraints: Whether those of this repository hold too.
        without: Packages that would be installed and are left out.
    """

    name: str
    requirements: tuple[str, ...]
    constraints: bool = False
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Peer:
    """One row of the report; catalogue.toml explains the fields."""

    name: str
    worker: str
    weights: str
    scale: str
    way: str
    packages: tuple[str, ...]
    environment: Environment | None = None
    options: Mapping[str, str] = field(default_factory=dict)


def load_catalogue(file: Path = CATALOGUE) -> list[Peer]:
    """All peers, the baseline first.

    Raises:
        ValueError: An entry names what does not exist, or a name stands twice.
    """
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    environments = {
        name: Environment(
            name,
            tuple(row["requirements"]),
            row.get("constraints", False),
            tuple(row.get("without", ())),
        )
        for name, row in content["environments"].items()
    }
    peers = [_peer(row, environments) for row in content["peers"]]
    if twice := {peer.name for peer in peers if sum(peer.name == p.name for p in peers) > 1}:
        message = f"{file.name} lists {min(twice)!r} twice."
        raise ValueError(message)
    return peers


def chosen(peers: list[Peer], names: Collection[str]) -> list[Peer]:
    """The baseline and the peers that are named, by whole names or parts; all if none is.

    Raises:
        ValueError: A name fits no peer.
    """
    for name in names:
        if not any(name.lower() in peer.name.lower() for peer in peers):
            message = f"No peer is named {name!r}. There are: {', '.join(p.name for p in peers)}."
            raise ValueError(message)
    wanted = [name.lower() for name in names]
    rest = [
        peer
        for peer in peers[1:]
        if not wanted or any(name in peer.name.lower() for name in wanted)
    ]
    return [peers[0], *rest]


def _peer(row: dict[str, Any], environments: dict[str, Environment]) -> Peer:
    name = row["name"]
    for key, value, allowed in (
        ("environment", row.get("environment"), [None, *environments]),
        ("worker", row["worker"], [path.stem for path in WORKERS.glob("[!_]*.py")]),
        ("weights", row["weights"], WEIGHTS),
        ("scale", row["scale"], SCALES),
    ):
        if value not in allowed:
            options = ", ".join(map(str, allowed))
            message = f"Peer {name!r}: {key} {value!r} does not exist; there are {options}."
            raise ValueError(message)
    environment = row.pop("environment", None)
    return Peer(
        **{**row, "packages": tuple(row["packages"])},
        environment=None if environment is None else environments[environment],
    )
