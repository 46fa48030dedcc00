"""A dataset of ir_datasets whose files are here. Imports no torch: fresh processes read it too."""

from pathlib import Path

from ir_datasets.formats import TrecQrels, TrecScoredDocs, TsvDocs, TsvQueries
from ir_datasets.util import LocalDownload


def constituents(folder: Path) -> list[object]:
    """Documents, queries, judgements and candidates, in the files that MS MARCO comes in."""
    return [
        TsvDocs(LocalDownload(folder / "docs")),
        TsvQueries(LocalDownload(folder / "queries")),
        TrecQrels(LocalDownload(folder / "qrels"), {}),
        TrecScoredDocs(LocalDownload(folder / "run")),
    ]
