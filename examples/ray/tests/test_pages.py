"""The page on many machines and the example do what they say."""

import re
import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from ray import serve
from ray.autoscaler._private.util import prepare_config, validate_config

from rerank_plugins.scale_out import RerankBatch

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "scale-out.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


# All of them: a block more is an error here until it has a test.
DATASET, SERVER, SPARK = blocks("py")
[CLUSTER] = blocks("yaml")


def run(block: str, folder: Path | None = None) -> None:
    """Runs a block, whose folders are in another one: workers are elsewhere."""
    block = re.sub(r'"(pairs|scored)/"', rf'"{folder}/\1/"', block)
    exec(compile(block, "scale-out.md", "exec"), {"__name__": "__main__"})


@pytest.fixture
def folder(pairs: pa.Table, tmp_path: Path) -> Path:
    """A folder with a parquet file of forty pairs."""
    (tmp_path / "pairs").mkdir()
    pq.write_table(pairs.slice(0, 40), tmp_path / "pairs" / "1.parquet")
    return tmp_path


@pytest.fixture
def spark(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Spark with two tasks at a time, on the loopback address."""
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java (Debian: apt-get install default-jre-headless)")
    sql = pytest.importorskip("pyspark.sql", reason="No pyspark: rm -r .scale-out, and make again")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    session = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", False)
    session = session.getOrCreate()
    yield session
    session.stop()


def test_the_block_of_the_dataset_scores_a_folder(folder: Path) -> None:
    run(DATASET, folder)
    assert pq.read_table(folder / "scored").column_names == ["id", "query", "passage", "score"]


def test_the_block_of_the_server_serves(address: str) -> None:
    run(SERVER)
    try:
        body = {"query": "red fox", "documents": ["a dog", "the red fox"]}
        answer = httpx.post(f"{address}/v2/rerank", json=body, timeout=120).json()
        assert [row["index"] for row in answer["results"]] == [1, 0]
    finally:
        serve.delete("default")


def test_the_cluster_file_is_one_that_ray_takes() -> None:
    validate_config(prepare_config(yaml.safe_load(CLUSTER)))


def test_the_block_of_spark_scores_a_folder(spark: Any, pairs: pa.Table, folder: Path) -> None:
    run(SPARK, folder)
    found = pq.read_table(folder / "scored").to_pylist()
    wanted = RerankBatch("embedded", threads=1)(pairs.slice(0, 40)).to_pylist()
    assert len(found) == len(wanted) == 40
    scores = {(row["query"], row["passage"]): row["score"] for row in wanted}
    for row in found:
        assert row["score"] == pytest.approx(scores[row["query"], row["passage"]], abs=1e-5)


def test_spark_has_rankings_with_the_type_that_the_page_names(spark: Any) -> None:
    added = re.findall(r"`(ranking(?:_error)? [^`]+)`", PAGE)
    schema = ", ".join(["query string, passages array<string>", *added])
    rows = [("red fox", ["a dog", "the red fox"]), ("red fox", None), ("sea", [])]
    frame = spark.createDataFrame(rows, "query string, passages array<string>")

    def ranked(batches: Iterator[Any]) -> Iterator[Any]:
        rank = RerankBatch("embedded", passages="passages", on_error="keep", threads=1)
        yield from map(rank, batches)

    found = frame.coalesce(1).mapInArrow(ranked, schema).collect()
    assert [[one["index"] for one in row.ranking or []] for row in found] == [[1, 0], [], []]
    assert [row.ranking_error and "is no list" in row.ranking_error for row in found] == [
        *(None, True, None)
    ]


def test_the_example_prints_what_the_page_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.init", lambda **_: None)  # the tests' cluster is there
    monkeypatch.setattr("sys.argv", ["rank_parquet.py"])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    runpy.run_path(str(ROOT / "examples" / "ray" / "rank_parquet.py"), run_name="__main__")
    assert f"```text\n{capsys.readouterr().out}```" in PAGE
