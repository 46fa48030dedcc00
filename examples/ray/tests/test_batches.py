"""`RerankBatch` on a cluster: what one process gives, whatever happens to its actors."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from ray.data import ActorPoolStrategy, Dataset

from rerank_plugins.scale_out import RerankBatch

OPTIONS: dict[str, Any] = {"model": "embedded", "backend": "onnx", "precision": "fp32"}
TWO = ActorPoolStrategy(size=2)
ROWS = 50
"""Rows of a block."""


def blocks(table: pa.Table) -> Dataset:
    return ray.data.from_arrow(
        [table.slice(first, ROWS) for first in range(0, table.num_rows, ROWS)]
    )


def scored(
    data: Dataset,
    kind: type = RerankBatch,
    *,
    form: str = "pyarrow",
    **options: Any,
) -> Any:
    return data.map_batches(
        kind,
        fn_constructor_kwargs={**OPTIONS, **options},
        compute=TWO,
        num_cpus=1,
        batch_size=None,
        batch_format=form,
    )


def rows_of(data: Dataset) -> list[dict[str, Any]]:
    return sorted(data.take_all(), key=lambda row: row["id"])


def in_one_process(table: pa.Table) -> list[float]:
    """The scores that one process with one thread gives, block by block."""
    score = RerankBatch(**OPTIONS, threads=1)
    parts = (table.slice(first, ROWS) for first in range(0, table.num_rows, ROWS))
    return [value for part in parts for value in score(part)["score"].to_pylist()]


class Watched(RerankBatch):
    """Leaves a file with its process id, and a line in it for each batch."""

    def __init__(self, folder: str, **options: Any) -> None:
        super().__init__(**options)
        self._file = Path(folder) / str(os.getpid())
        self._file.touch()

    def __call__(self, batch: Any) -> Any:
        """Adds the process that scored a row."""
        with self._file.open("a") as lines:
            lines.write(f"{batch['id'][0]}\n")
        folder = self._file.parent
        while (folder / "killed").exists() and len(list(folder.iterdir())) < 4:
            time.sleep(0.01)  # the other actors leave batches for the one that is started anew
        return (
            super()
            .__call__(batch)
            .append_column("process", pa.array([os.getpid()] * batch.num_rows))
        )


@pytest.mark.parametrize("form", ["pyarrow", "pandas", "numpy"])
def test_two_actors_give_the_scores_of_one_process_to_the_last_digit(
    form: str, pairs: pa.Table
) -> None:
    found = rows_of(scored(blocks(pairs), form=form))
    assert [row["score"] for row in found] == in_one_process(pairs)
    assert [{**row, "score": 0} for row in found] == [
        {**row, "score": 0} for row in pairs.to_pylist()
    ]


def test_no_row_is_lost_or_doubled_when_an_actor_is_killed(
    pairs: pa.Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    met, written = tmp_path / "met", tmp_path / "written"
    met.mkdir()
    killed: list[int] = []

    def kill() -> None:
        while True:
            for file in met.iterdir():
                if len(file.read_text().splitlines()) == 2:  # in the middle of its second batch
                    killed.append(int(file.name))
                    (met / "killed").touch()
                    os.kill(killed[0], signal.SIGKILL)
                    return
            time.sleep(0.001)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    scored(blocks(pairs), Watched, folder=str(met)).write_parquet(str(written))
    thread.join(timeout=60)
    rows = sorted(pq.read_table(written).to_pylist(), key=lambda row: row["id"])
    assert [row["id"] for row in rows] == pairs["id"].to_pylist()
    assert [row["score"] for row in rows] == in_one_process(pairs)
    processes = {file.name: file.read_text().splitlines() for file in met.glob("[0-9]*")}
    assert killed
    assert len(processes) == 3  # one was started anew
    started = sum(map(len, processes.values()))
    assert started > pairs.num_rows // ROWS  # what the killed one had begun was scored again
    with capsys.disabled():
        print(
            f"\n{pairs.num_rows} rows in {pairs.num_rows // ROWS} batches, {started} begun, ",
            end="",
        )
        print(f"{len({row['process'] for row in rows})} processes in the output")
