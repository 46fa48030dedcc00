"""ir_datasets ids and model cards, with datasets registered here instead of downloaded."""

import json
import os
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import ir_datasets
import pytest
from ir_datasets.datasets.base import Dataset
from ir_datasets.datasets.beir import BeirTitleDoc
from ir_datasets.formats import TsvDocs, TsvQueries
from ir_datasets.util import Download, LocalDownload, RequestsDownload

from rerank_plugins import DatasetUnreachableError
from rerank_plugins.cli import main
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.evaluation import read_dataset
from rerank_plugins.evaluation.datasets import StoredPassages, dataset_candidates, known_dataset
from rerank_plugins.evaluation.first_stage import drawn_order, judged_candidates
from tests.small_datasets import constituents
from tests.small_hub import small_hub
from tests.test_evaluation import JUDGED, PASSAGES, QUERIES
from tests.tiny_models import save_tiny_encoder

CARD = "cross-encoder/ms-marco-MiniLM-L4-v2"
CARD_DATASETS = ("msmarco-passage/trec-dl-2019/judged", "msmarco-passage/dev/small")
CANDIDATES = [("q1", "p1"), ("q1", "p2"), ("q2", "p4"), ("q2", "p1"), ("q3", "p3"), ("q9", "p1")]
UNREACHABLE = "http://127.0.0.1:1/nothing.tsv"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where ir_datasets keeps its files: empty, and no waiting for a network that is not there."""
    folder = tmp_path / "ir_datasets"
    monkeypatch.setenv("IR_DATASETS_HOME", str(folder))
    monkeypatch.setenv("IR_DATASETS_DL_TRIES", "1")
    return folder


def parts(folder: Path, *, ordered: bool = False) -> list[object]:
    """A small dataset in the files that MS MARCO comes in."""
    folder.mkdir()
    for name, lines in {
        "docs": (f"{name}\t{text}" for name, text in PASSAGES.items()),
        "queries": (f"{name}\t{text}" for name, text in QUERIES.items()),
        "qrels": (f"{query} 0 {passage} {value}" for query, passage, value in JUDGED),
        "run": (
            f"{query} Q0 {passage} 0 {number + 1 if ordered else 0} x"
            for number, (query, passage) in enumerate(CANDIDATES)
        ),
    }.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    return constituents(folder)


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Datasets under ids of their own, and stand-ins for those of the cards."""
    everything = parts(tmp_path / "small")
    unreachable = Download([RequestsDownload(UNREACHABLE)])
    by_hand = LocalDownload(tmp_path / "by-hand" / "docs.tsv")
    known = {
        "small/test": everything,
        "small/scored": parts(tmp_path / "scored", ordered=True),
        "small/bare": everything[:3],
        "small/unjudged": everything[:2],
        "small/away": [*everything[:1], TsvQueries(unreachable), *everything[2:]],
        "small/by-hand": [TsvDocs(by_hand), TsvQueries(by_hand), *everything[2:]],
        CARD_DATASETS[0]: everything,
        CARD_DATASETS[1]: everything[:3],
    }
    for name, files in known.items():
        monkeypatch.setitem(ir_datasets.registry._registered, name, Dataset(*files))


@pytest.mark.usefixtures("registered")
class TestReading:
    def test_a_dataset_is_read_by_its_id(self) -> None:
        collection = read_dataset("small/test")
        assert collection.name == "small/test"
        assert dict(collection.passages) == PASSAGES
        assert len(collection.passages) == len(PASSAGES)
        assert collection.queries == QUERIES
        assert collection.judgements["q2"] == {"p1": 2, "p4": 1}

    def test_passages_are_counted_and_listed_before_any_was_looked_up(self) -> None:
        assert len(read_dataset("small/test").passages) == len(PASSAGES)
        assert list(read_dataset("small/test").passages.values()) == list(PASSAGES.values())
        assert list(read_dataset("small/test").passages.items()) == list(PASSAGES.items())

    def test_a_document_with_an_empty_title_has_the_text_that_a_folder_gives(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "docs").write_text("p1\tIt foams.\t\np2\tIt foams.\tSoap\n")
        dataset = Dataset(TsvDocs(LocalDownload(tmp_path / "docs"), doc_cls=BeirTitleDoc))
        passages = StoredPassages("beir/small", dataset)
        assert dict(passages.items()) == {"p1": "It foams.", "p2": "Soap It foams."}
        assert passages["p1"] == "It foams."

    def test_judged_candidates_read_no_other_passage(self, monkeypatch: pytest.MonkeyPatch) -> None:
        collection = read_dataset("small/test")

        def refuse(passages: StoredPassages) -> Iterator[str]:
            pytest.fail("the whole collection is read")

        monkeypatch.setattr(StoredPassages, "__iter__", refuse)
        assert {name: set(ids) for name, ids in judged_candidates(collection).items()} == {
            "q1": {"p1", "p2"},
            "q2": {"p1", "p4"},
            "q3": {"p3"},
        }

    def test_a_passage_that_is_not_there_is_a_missing_key(self) -> None:
        passages = read_dataset("small/test").passages
        assert "p9" not in passages
        with pytest.raises(KeyError):
            passages["p9"]

    def test_candidates_are_the_datasets_own_best_first(self) -> None:
        found = dataset_candidates("small/scored", read_dataset("small/scored"), 100)
        assert found is not None
        assert {query: list(ids) for query, ids in found.items()} == {
            "q1": ["p2", "p1"],
            "q2": ["p1", "p4"],
            "q3": ["p3"],
        }

    def test_candidates_are_cut_at_the_depth(self) -> None:
        found = dataset_candidates("small/scored", read_dataset("small/scored"), 1)
        assert found == {"q1": {"p2": 2.0}, "q2": {"p1": 4.0}, "q3": {"p3": 5.0}}

    def test_candidates_without_an_order_get_one_that_means_nothing(self) -> None:
        found = dataset_candidates("small/test", read_dataset("small/test"), 100)
        assert found is not None
        assert {query: list(ids) for query, ids in found.items()} == {
            query: drawn_order(query, [passage for name, passage in CANDIDATES if name == query])
            for query in QUERIES
        }

    def test_candidates_without_an_order_have_no_first_ones(self) -> None:
        with pytest.raises(InvalidInputError, match=r"no order.*a depth of 2"):
            dataset_candidates("small/test", read_dataset("small/test"), 1)

    def test_a_dataset_may_have_none(self) -> None:
        assert dataset_candidates("small/bare", read_dataset("small/bare"), 100) is None

    def test_a_dataset_without_judgements_is_an_error(self) -> None:
        with pytest.raises(InvalidInputError, match="has no qrels"):
            read_dataset("small/unjudged")

    @pytest.mark.parametrize("value", [1001, 0.5])
    def test_a_relevance_that_is_not_allowed_is_an_error_that_names_the_passage(
        self, value: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dataset = ir_datasets.registry._registered["small/test"]
        qrels = [namedtuple("Qrel", "query_id doc_id relevance")("q1", "p2", value)]
        monkeypatch.setattr(dataset, "qrels_iter", lambda: iter(qrels), raising=False)
        with pytest.raises(InvalidInputError, match=r"small/test judges passage 'p2'.* to 1,000"):
            read_dataset("small/test")

    def test_an_unknown_id_is_an_error(self) -> None:
        assert not known_dataset("small/other")
        with pytest.raises(InvalidInputError, match="ir_datasets list"):
            read_dataset("small/other")

    def test_a_dataset_that_cannot_be_downloaded_is_an_error_that_says_why(self) -> None:
        with pytest.raises(DatasetUnreachableError, match="could not be downloaded") as caught:
            read_dataset("small/away")
        assert isinstance(caught.value, ConnectionError)
        assert "a folder in BEIR layout" in str(caught.value)

    def test_a_dataset_that_must_be_fetched_by_hand_says_which_file(self) -> None:
        with pytest.raises(DatasetUnreachableError, match=r"docs\.tsv"):
            read_dataset("small/by-hand")


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("stage", ["dense", "fused"])
def test_a_dataset_is_searched_with_embeddings(
    stage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bi_encoder = str(save_tiny_encoder(tmp_path / "bi"))
    arguments = ["eval", "small/bare", "--first-stage", stage, "--bi-encoder", bi_encoder]
    assert main([*arguments, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)["collections"][0]
    assert value["first_stage"]["name"] == stage
    assert value["recall_ceiling"] == 1.0  # as many candidates as passages


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("spelled", ["small/test", "irds:small/test"])
def test_the_command_takes_an_id(spelled: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", spelled, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)["collections"][0]
    assert value["collection"] == "small/test"
    assert value["first_stage"]["name"] == "bm25"
    assert value["queries"] == 3


@pytest.mark.usefixtures("registered")
def test_the_command_reranks_the_datasets_own_candidates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", "small/test", "--first-stage", "scoreddocs", "--runs", str(tmp_path)]
    assert main([*arguments, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)["collections"][0]
    assert value["first_stage"]["name"] == "scoreddocs"
    assert (tmp_path / "small_test.embedded.run").is_file()


@pytest.mark.usefixtures("registered")
def test_a_card_is_rerun_on_its_datasets_with_its_candidates(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["eval", "--card", CARD, "--model", "embedded"]
    assert main([*arguments, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert [each["collection"] for each in value["collections"]] == list(CARD_DATASETS)
    assert [each["depth"] for each in value["collections"]] == [1000, 1000]
    stages = [each["first_stage"]["name"] for each in value["collections"]]
    assert stages == ["scoreddocs", "bm25"]  # the second stand-in comes without candidates
    checks = value["card"]
    assert [each["figure"]["measure"] for each in checks] == ["nDCG@10", "RR@10"]
    assert [each["figure"]["value"] for each in checks] == [0.7304, 0.377]
    for check, collection in zip(checks, value["collections"], strict=True):
        measured = collection["reranked"][0]["means"][check["figure"]["measure"]]
        assert check["measured"] == measured
        assert check["percent_off"] == pytest.approx(
            100 * (measured / check["figure"]["value"] - 1)
        )


@pytest.mark.usefixtures("registered")
def test_the_cards_table_says_how_far_off_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["eval", "--card", CARD, "-m", "embedded"]) == 0
    out = capsys.readouterr().out
    for name, value in (("trec-dl-2019", "73.04"), ("dev/small", "37.70")):
        line = next(line for line in out.splitlines() if line.lstrip().startswith(name))
        assert value in line
        assert line.rstrip().endswith("%")


SESSION = """
import sys
from pathlib import Path
import ir_datasets
from ir_datasets.datasets.base import Dataset
from tests.small_datasets import constituents
from rerank_plugins.cli import main

card, folder, *names = sys.argv[1:]
for name in names:
    ir_datasets.registry._registered[name] = Dataset(*constituents(Path(folder)))
sys.exit(main(["eval", "--card", card, "--json"]))
"""


def test_a_cards_model_comes_from_the_hub(tiny_model: Path, tmp_path: Path) -> None:
    parts(tmp_path / "data")
    with small_hub({CARD: tiny_model}, gated="") as (endpoint, served):
        done = subprocess.run(
            [sys.executable, "-c", SESSION, CARD, str(tmp_path / "data"), *CARD_DATASETS],
            env={**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hub")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "model.safetensors" in served
    assert [each["scorer"] for each in json.loads(done.stdout)["card"]] == [
        CARD.partition("/")[2],
        CARD.partition("/")[2],
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--card", CARD], "Without a network, use --model embedded"),
        (["--card", CARD, "--model", "embedded"], "could not be downloaded"),
        (["vaswani"], "Check the network"),
    ],
)
def test_without_a_network_the_error_says_what_could_not_be_reached(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rerank_plugins.cli", "eval", *arguments],
        env={
            **os.environ,
            "HF_ENDPOINT": "http://127.0.0.1:1",
            "HF_HOME": str(tmp_path),
            "http_proxy": "http://127.0.0.1:1",
            "https_proxy": "http://127.0.0.1:1",
            "HTTP_PROXY": "http://127.0.0.1:1",
            "HTTPS_PROXY": "http://127.0.0.1:1",
            "NO_PROXY": "",
            "no_proxy": "",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr
