"""`RerankBatch` on a cluster: what one process gives, whatever happens to its actors."""

import gc
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from ray.data import ActorPoolStrategy, Dataset
from ray.exceptions import RayError

from rerank_plugins.formats import read_run, write_run
from rerank_plugins.process.quota import processors
from rerank_plugins.scale_out import RerankBatch
from rerank_plugins.scale_out import texts as corpus_texts

OPTIONS: dict[str, Any] = {"model": "embedded", "backend": "onnx", "precision": "fp32"}
ONE = ActorPoolStrategy(size=1)
TWO = ActorPoolStrategy(size=2)
ONE_TO_TWO = ActorPoolStrategy(min_size=1, max_size=2)
"""Reading needs a processor too."""

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
    pool: ActorPoolStrategy = TWO,
    num_cpus: int = 1,
    **options: Any,
) -> Any:
    return data.map_batches(
        kind,
        fn_constructor_kwargs={**OPTIONS, **options},
        compute=pool,
        num_cpus=num_cpus,
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


class Loaded(RerankBatch):
    """Leaves a file each time that it is made."""

    def __init__(self, folder: str, **options: Any) -> None:
        (Path(folder) / uuid4().hex).touch()
        super().__init__(**options)


class Reading(RerankBatch):
    """Leaves a file each time that it is made, and each time that it reads texts of a corpus."""

    def __init__(self, folder: str, **options: Any) -> None:
        write = corpus_texts._write

        def noted(*arguments: Any) -> None:
            (Path(folder) / f"read-{uuid4().hex}").touch()
            write(*arguments)

        corpus_texts._write = noted
        (Path(folder) / f"made-{uuid4().hex}").touch()
        super().__init__(**options)


class Threads(RerankBatch):
    """Says how many threads the model has, in place of scores."""

    def __call__(self, batch: Any) -> Any:
        """One row."""
        return pa.table({"threads": [self._reranker.scorer.plan().threads]})


@pytest.mark.parametrize("form", ["pyarrow", "pandas", "numpy"])
def test_two_actors_give_the_scores_of_one_process_to_the_last_digit(
    form: str, pairs: pa.Table
) -> None:
    found = rows_of(scored(blocks(pairs), form=form))
    assert [row["score"] for row in found] == in_one_process(pairs)
    assert [{**row, "score": 0} for row in found] == [
        {**row, "score": 0} for row in pairs.to_pylist()
    ]


@pytest.mark.parametrize("share", [1, 2])
def test_an_actor_has_as_many_threads_as_processors(share: int, pairs: pa.Table) -> None:
    # From memory: reading would wait for ever for a processor, as one actor has both.
    data = scored(blocks(pairs.slice(0, 1)), Threads, pool=ONE, num_cpus=share)
    assert [row["threads"] for row in data.take_all()] == [min(share, processors())]


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


def test_parquet_in_and_rankings_out(pairs: pa.Table, tmp_path: Path) -> None:
    lists = [pairs["passage"].to_pylist()[first : first + 5] for first in range(0, 600, 5)]
    table = pa.table({"id": range(120), "query": pairs["query"][:120], "passages": lists})
    pq.write_table(table, tmp_path / "in.parquet")
    data = ray.data.read_parquet(str(tmp_path / "in.parquet"))
    scored(data, pool=ONE_TO_TWO, passages="passages", top_k=3).write_parquet(str(tmp_path / "out"))
    rows = sorted(pq.read_table(tmp_path / "out").to_pylist(), key=lambda row: row["id"])
    wanted = RerankBatch(**OPTIONS, passages="passages", top_k=3)(table).to_pylist()
    for row, known in zip(rows, wanted, strict=True):
        assert {**row, "ranking": 0} == {**known, "ranking": 0}
        assert [one["index"] for one in row["ranking"]] == [
            one["index"] for one in known["ranking"]
        ]
        assert [one["score"] for one in row["ranking"]] == pytest.approx(
            [one["score"] for one in known["ranking"]], abs=1e-5
        )


def test_a_run_and_a_corpus_folder_that_is_read_once_become_a_run(
    pairs: pa.Table, tmp_path: Path
) -> None:
    texts = dict.fromkeys(pairs["passage"].to_pylist())
    ids = {text: f"d{at}" for at, text in enumerate(texts)}
    documents = [f'{{"_id": "{id}", "text": {json.dumps(text)}}}\n' for text, id in ids.items()]
    (tmp_path / "corpus.jsonl").write_text("".join(documents))
    queries = pairs["query"].to_pylist()[:20]
    lines = [f'{{"_id": "q{at}", "text": {json.dumps(text)}}}\n' for at, text in enumerate(queries)]
    (tmp_path / "queries.jsonl").write_text("".join(lines))
    names = list(ids.values())
    first = {
        f"q{at}": {name: -float(place) for place, name in enumerate(names[at * 5 : at * 5 + 5])}
        for at in range(20)
    }
    write_run(first, tmp_path / "first.run")
    run = read_run(tmp_path / "first.run")
    rows = [{"id": query, "documents": list(found)} for query, found in run.items()]
    data = ray.data.from_items(rows, override_num_blocks=4)
    (tmp_path / "facts").mkdir()
    options = {"query": "id", "passages": "documents", "scale": "logit"}
    ranked = scored(
        data, Reading, folder=str(tmp_path / "facts"), corpus=str(tmp_path), **options
    ).take_all()
    facts = sorted(file.name.split("-")[0] for file in (tmp_path / "facts").iterdir())
    assert facts == ["made", "made", "read", "read"]  # corpus and queries, by one of the two actors
    second = {
        row["id"]: {row["documents"][one["index"]]: one["score"] for one in row["ranking"]}
        for row in ranked
    }
    write_run(second, tmp_path / "second.run")
    wanted = RerankBatch(**OPTIONS, passages="texts", scale="logit")(
        pa.table(
            {"query": queries, "texts": [list(texts)[at * 5 : at * 5 + 5] for at in range(20)]}
        )
    )["ranking"].to_pylist()
    read = read_run(tmp_path / "second.run")
    for at, ranking in enumerate(wanted):
        known = {names[at * 5 + one["index"]]: one["score"] for one in ranking}
        assert list(read[f"q{at}"]) == list(known)
        assert list(read[f"q{at}"].values()) == pytest.approx(list(known.values()), abs=1e-5)


def test_a_bad_row_stops_the_run_with_its_name_or_is_kept(pairs: pa.Table) -> None:
    texts = pairs["passage"].to_pylist()
    texts[123] = None
    bad = pairs.set_column(2, "passage", pa.array(texts))
    with pytest.raises(RayError, match=r"Row 23 of a batch cannot be scored.*'id': 123"):
        scored(blocks(bad)).materialize()
    gc.collect()  # the frames of the error hold the actors, and these the processors
    rows = rows_of(scored(blocks(bad), on_error="keep"))
    assert [row["id"] for row in rows if row["score"] is None] == [123]
    assert [row["id"] for row in rows if row["score_error"] is not None] == [123]
    good = [row["score"] for row in rows if row["id"] // ROWS != 123 // ROWS]
    assert good == [
        score for at, score in enumerate(in_one_process(pairs)) if at // ROWS != 123 // ROWS
    ]


@pytest.mark.parametrize("form", ["pyarrow", "pandas", "numpy"])
def test_each_kind_of_bad_row_is_kept_with_its_reason(form: str) -> None:
    rows = [
        ("red fox", ["a dog", "the red fox"], None),
        (None, ["a dog", "a cat"], "column 'query' has"),
        ("red fox", None, "which is no list"),
        ("red fox", ["a dog", None], "which is no text"),
        ("red fox", ["a dog"] * 4, "more than max_passages=3"),
        ("red fox", [], None),
    ]
    data = blocks(
        pa.table(
            {
                "id": range(len(rows)),
                "query": [query for query, _, _ in rows],
                "passages": [passages for _, passages, _ in rows],
            }
        )
    )
    options: dict[str, Any] = {"passages": "passages", "max_passages": 3, "on_error": "keep"}
    found = rows_of(scored(data, form=form, pool=ONE, **options))
    for row, (_, passages, said) in zip(found, rows, strict=True):
        if said is None:
            assert len(row["ranking"]) == len(passages or [])
            assert row["ranking_error"] is None
        else:
            assert row["ranking"] is None
            assert said in row["ranking_error"]


def test_a_model_that_cannot_be_loaded_stops_the_run_before_the_first_batch(
    pairs: pa.Table, tmp_path: Path
) -> None:
    with pytest.raises(RayError, match=r"There is no directory './no-model'"):
        scored(blocks(pairs), Loaded, folder=str(tmp_path), model="./no-model").materialize()
    gc.collect()
    assert len(list(tmp_path.iterdir())) <= 2  # each actor tried once
