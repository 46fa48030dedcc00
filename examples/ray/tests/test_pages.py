"""The page on many machines and the example do what they say."""

import re
import runpy
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "scale-out.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```py\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def run(block: str) -> None:
    exec(compile(block, "scale-out.md", "exec"), {})


def test_the_first_block_scores_a_folder(pairs: pa.Table, tmp_path: Path) -> None:
    (tmp_path / "pairs").mkdir()
    pq.write_table(pairs.slice(0, 40), tmp_path / "pairs" / "1.parquet")
    run(re.sub('"(pairs|scored)/"', rf'"{tmp_path}/\1/"', BLOCKS[0]))  # workers are elsewhere
    assert pq.read_table(tmp_path / "scored").column_names == ["id", "query", "passage", "score"]


def test_the_example_prints_what_the_page_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.init", lambda **_: None)  # the tests' cluster is there
    monkeypatch.setattr("sys.argv", ["rank_parquet.py"])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    runpy.run_path(str(ROOT / "examples" / "ray" / "rank_parquet.py"), run_name="__main__")
    assert f"```text\n{capsys.readouterr().out}```" in PAGE
