"""`rerank eval --fuse`: what the library finds, in every output, and in the model's folder."""

import html as escaping
import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from rerank_plugins import CrossEncoderScorer
from rerank_plugins.cli import main
from rerank_plugins.cli.eval.output import Output
from rerank_plugins.demo import load_corpus, load_questions
from rerank_plugins.models.files import OWN_SETTINGS_FILE
from rerank_plugins.models.own_settings import read_own_settings
from rerank_plugins.models.references import EMBEDDED_FOLDER
from tests.test_cli_streams import run
from tests.test_eval_page import BROWSER, shown
from tests.test_evaluation import write_collection

FEW = 20
"""Queries on which the first stage is right and the model nearly so."""

ASKED = 52
CANDIDATES = 8


@dataclass(frozen=True)
class Judged:
    """A collection on which fusion helps a model, and the first stage's run."""

    folder: Path
    run: Path
    model: Path

    def arguments(self, *more: str) -> list[str]:
        given = ["eval", str(self.folder), "--run", str(self.run), "-m", str(self.model)]
        return [*given, "--resume", str(self.folder / "scores.db"), "--fuse", *more]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """The model's second choice is right where the first stage has it first, else its first one."""
    folder = tmp_path_factory.mktemp("judged")
    model = folder / "my-model"
    model.mkdir()
    for file in EMBEDDED_FOLDER.iterdir():
        if file.name != OWN_SETTINGS_FILE:
            (model / file.name).symlink_to(file)
    texts = [passage.text[:150] for passage in load_corpus()]
    queries = [f"{question.query}, {n}" for n, question in enumerate(load_questions() * 2)]
    lines, judgements = [], ["query-id\tcorpus-id\tscore"]
    with CrossEncoderScorer("embedded") as scorer:
        for n in range(ASKED):
            chosen = [(7 * n + 3 * k) % len(texts) for k in range(CANDIDATES)]
            scores = scorer.score(queries[n], [texts[k] for k in chosen])
            order = [k for _, k in sorted(zip(scores, chosen, strict=True), reverse=True)]
            first, second, *others = order
            run = [second, *others, first] if n < FEW else [*reversed(others), second, first]
            judgements.append(f"q{n}\tp{second if n < FEW else first}\t1")
            lines += [f"q{n} Q0 p{k} {r} {-r} mine" for r, k in enumerate(run)]
    (folder / "corpus.jsonl").write_text(
        "\n".join(json.dumps({"_id": f"p{k}", "text": text}) for k, text in enumerate(texts))
    )
    (folder / "queries.jsonl").write_text(
        "\n".join(json.dumps({"_id": f"q{n}", "text": queries[n]}) for n in range(ASKED))
    )
    (folder / "qrels.tsv").write_text("\n".join(judgements) + "\n")
    (folder / "mine.run").write_text("\n".join(lines) + "\n")
    return Judged(folder, folder / "mine.run", model)


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_the_weight_is_found_and_saved_into_the_models_folder(
    judged: Judged, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = judged.model / OWN_SETTINGS_FILE
    settings.write_text('{"kept": 1}')
    assert main(judged.arguments("--save-weight", "--json")) == 0
    captured = capsys.readouterr()
    value = json.loads(captured.out)
    (found,) = value["fusion"]
    weight = found["first_stage_weight"]
    assert found["answer"] == "use"
    assert found["options"] == {"model": str(judged.model), "first_stage_weight": weight}
    assert found["gain_over_model"]["low"] > 0
    assert json.loads(settings.read_text()) == {"kept": 1, "first_stage_weight": weight}
    assert f"note: first_stage_weight={weight:g} is written into {settings}" in captured.err
    names = [each["name"] for each in value["collections"][0]["reranked"]]
    assert names == ["my-model", found["order"]] == ["my-model", "my-model + first stage"]


def test_the_advice_for_a_reranker_of_a_file_repeats_its_options(
    judged: Judged, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rerankers.yaml"
    options = {"model": str(judged.model), "top_k": 10, "scale": "logit"}
    file.write_text(yaml.safe_dump({"short list": options}))
    of_model = ["-m", str(judged.model)]
    given = [each for each in judged.arguments("--json") if each not in of_model]
    assert main([*given, "--options", str(file)]) == 0
    (found,) = json.loads(capsys.readouterr().out)["fusion"]
    assert found["answer"] == "use"
    assert found["options"] == {**options, "first_stage_weight": found["first_stage_weight"]}


@pytest.mark.skipif(sys.platform == "win32", reason="pipes in a shell")
def test_a_reader_that_goes_away_costs_no_weight(judged: Judged) -> None:
    settings = judged.model / OWN_SETTINGS_FILE
    settings.write_text("{}")
    done = run(*judged.arguments("--save-weight"), closed="| true")
    assert f" is written into {settings}" in done.stderr
    assert "first_stage_weight" in json.loads(settings.read_text())


def test_a_folder_that_is_damaged_meanwhile_costs_no_other_weight(
    judged: Judged,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = shutil.copytree(judged.model, tmp_path / "other", symlinks=True)
    damaged, write_files = judged.model / OWN_SETTINGS_FILE, Output.write_files

    def damage_and_write(self: Output, *given: Any) -> None:
        damaged.write_text("{")
        write_files(self, *given)

    damaged.write_text("{}")
    monkeypatch.setattr(Output, "write_files", damage_and_write)
    try:
        assert main(judged.arguments("-m", str(other), "--save-weight")) == 1
    finally:
        damaged.write_text("{}")
    assert "first_stage_weight" in json.loads((other / OWN_SETTINGS_FILE).read_text())
    assert "rerank_plugins.json' is not JSON" in capsys.readouterr().err


def test_nothing_is_written_if_no_weight_is_advised(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, data = tmp_path / "tiny", write_collection(tmp_path / "one")
    shutil.copytree(tiny_model, model)
    assert main(["eval", str(data), "-m", str(model), "--fuse", "--save-weight"]) == 0
    captured = capsys.readouterr()
    assert "tiny: cannot tell from 3 queries. Judge 50 or more." in captured.out
    assert "note: no weight is written for tiny, because none is advised" in captured.err
    assert not (model / OWN_SETTINGS_FILE).exists()


def test_tables_show_the_gain_the_advice_and_the_options_within_80_columns(
    judged: Judged, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(judged.arguments()) == 0
    tables, _, copied = capsys.readouterr().out.partition("In Python")
    assert all(len(line) <= 80 for line in tables.splitlines())
    interval = r"[+-]\d+\.\d \([+-]\d+\.\d to [+-]\d+\.\d\)"
    assert re.search(rf"^ my-model +\d+\.\d +{interval} +{interval}", tables, re.MULTILINE)
    weight = re.search(r"^my-model: use first_stage_weight=([\d.]+)\.$", tables, re.MULTILINE)
    assert weight
    number = float(weight[1])
    assert copied.splitlines()[1:] == [
        f'  Reranker.from_options(model="{judged.model}", first_stage_weight={number})',
        f'  model: "{judged.model}"',
        f"  first_stage_weight: {number}",
    ]


def test_markdown_and_the_page_say_the_same(
    judged: Judged, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "report.html"
    assert main(judged.arguments("--markdown", "--html", str(page))) == 0
    markdown = capsys.readouterr().out
    assert "| my-model | " in markdown
    said = re.search(r"^\*\*my-model\*\*: (use first_stage_weight=\S+)\. (.*)$", markdown, re.M)
    assert said
    options = re.search(r"```yaml\n(.*?)```", markdown, re.DOTALL)
    assert options
    assert yaml.safe_load(options[1])["model"] == str(judged.model)
    text = escaping.unescape(re.sub(r"<[^>]+>", " ", page.read_text()))
    assert "Does the first stage's opinion help?" in text
    assert f"my-model: {said[1]}." in text
    assert options[1].strip() in text
    assert "my-model + first stage" in text


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium or Chrome, to show the page in")
def test_a_telephone_shows_the_advice_and_the_options(judged: Judged, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert main(judged.arguments("--html", str(page))) == 0
    found = shown(page.read_text(), tmp_path)
    assert found["asked"] == found["width"]
    assert found["wide"] == []
    assert found["small"] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--save-weight"], "--save-weight saves the weight that --fuse finds; add --fuse."),
        (
            ["--fuse", "--save-weight"],
            "'embedded' is not a folder on this disk. Leave --save-weight out, and pass the weight "
            "that --fuse finds as an option: first_stage_weight=...",
        ),
        (
            ["--fuse", "--save-weight", "-m", "owner/name"],
            "'owner/name' is not a folder on this disk. Leave --save-weight out",
        ),
        (
            ["--fuse", "--save-weight", "-m", "MODEL", "--backend", "onnx", "--backend", "torch"],
            "is measured in 2 ways. Give one --backend, one --precision and one --max-length.",
        ),
    ],
)
def test_what_cannot_be_saved_is_an_error_before_the_work(
    arguments: list[str],
    says: str,
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = write_collection(tmp_path / "one")
    given = [str(tiny_model) if each == "MODEL" else each for each in arguments]
    assert main(["eval", str(data), *given]) == 2
    assert says in " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().err).split())


def test_a_damaged_settings_file_is_an_error_before_the_work(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, data = tmp_path / "tiny", write_collection(tmp_path / "one")
    shutil.copytree(tiny_model, model)
    (model / OWN_SETTINGS_FILE).write_text("{")
    assert main(["eval", str(data), "-m", str(model), "--fuse", "--save-weight"]) == 1
    assert "rerank_plugins.json' is not JSON" in capsys.readouterr().err


def test_a_given_weight_is_measured_beside_the_model_alone(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_collection(tmp_path / "one")
    arguments = ["eval", str(data), "-m", "embedded", "-m", str(tiny_model), "--json"]
    assert main([*arguments, "--first-stage-weight", "100"]) == 0
    found = json.loads(capsys.readouterr().out)["collections"][0]
    names = ["embedded", tiny_model.name]
    fused = [f"{name} + first stage, 100" for name in names]
    assert [each["name"] for each in found["reranked"]] == [*names, *fused]
    for each in found["reranked"][2:]:
        assert each["by_query"] == found["first_stage"]["by_query"]
    assert main([*arguments, "--first-stage-weight", "auto"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)["collections"][0]
    own = read_own_settings(EMBEDDED_FOLDER).first_stage_weight
    fused = [f"embedded + first stage, {own:g}"]
    assert [each["name"] for each in found["reranked"]] == [*names, *fused]
    assert f"warning: '{tiny_model}' names no first_stage_weight" in captured.err


@pytest.mark.parametrize(
    ("weight", "says"),
    [
        ("much", "--first-stage-weight must be 'auto' or a number >= 0, but got 'much'."),
        ("-1", "--first-stage-weight must be 'auto' or a number >= 0, but got -1.0."),
        ("auto", "names no first_stage_weight, so --first-stage-weight auto has nothing to take"),
    ],
)
def test_a_weight_that_is_none_is_an_error(
    weight: str,
    says: str,
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = write_collection(tmp_path / "one")
    arguments = ["eval", str(data), "-m", str(tiny_model), "--first-stage-weight", weight]
    assert main(arguments) == 1
    assert says in capsys.readouterr().err


def test_a_weight_without_a_model_to_add_it_to_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, file = write_collection(tmp_path / "one"), tmp_path / "rerankers.yaml"
    file.write_text("mine: {model: embedded, first_stage_weight: 1}")
    arguments = ["eval", str(data), "--options", str(file), "--first-stage-weight", "2"]
    assert main(arguments) == 2
    error = " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().err).split())
    assert "give the rerankers of --options their own first_stage_weight in the file" in error
