"""Messages name options as the reader types them, and leave what users gave as it is."""

import json
from pathlib import Path

import pytest

from rerank_plugins import CrossEncoderScorer, Reranker
from rerank_plugins.cli import main
from rerank_plugins.errors import InvalidInputError, UnsupportedOptionError
from rerank_plugins.messages.spelling import command_options, entry, keys, option, unset


def test_an_option_is_an_argument_in_python_and_an_option_in_a_command() -> None:
    assert option("top_k") == "top_k"
    assert option("scale", "logit") == "scale='logit'"
    assert option("resume", False) == "resume=False"
    with command_options():
        assert option("top_k") == "--top-k"
        assert option("scale", "logit") == "--scale logit"
        assert option("trust_remote_code", True) == "--trust-remote-code"
        assert option("resume", False) == "--fresh"
        assert option("model", "my folder") == "--model 'my folder'"
        assert option("higher_is_better", False) == "--lower-is-better"
        with keys():
            assert option("precision", "fp32") == "precision='fp32'"
        assert option("top_k") == "--top-k"
    assert option("top_k") == "top_k"


def test_entries_of_lists_and_values_to_leave_out_have_two_spellings_too() -> None:
    assert (entry("cascade", 0), unset()) == ("cascade[0]", "pass None")
    with command_options():
        assert (entry("cascade", 0), unset()) == ("--cascade (1)", "leave it out")


def test_after_a_command_the_library_speaks_python_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p").write_text("soap")
    arguments = ["rank", "why", str(tmp_path / "p"), "--max-length", "100000"]
    assert main(arguments) == 1
    assert "--max-length 100000, but 'embedded' reads at most" in capsys.readouterr().err
    with (
        pytest.raises(UnsupportedOptionError, match="max_length=100000, but 'embedded' reads"),
        CrossEncoderScorer("embedded", max_length=100_000) as scorer,
    ):
        scorer.warm_up()
    with pytest.raises(InvalidInputError, match=r"score_threshold must be .* set scale='logit'"):
        Reranker(scorer, score_threshold=7)


@pytest.mark.parametrize(
    "name", ["top_k", "model=embedded", "seed='7'", "max_length or None", "resume=False, pass None"]
)
def test_paths_ids_and_texts_of_users_are_never_reworded(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / name
    assert main(["rank", "why", str(folder / "missing")]) == 1
    assert str(folder / "missing") in capsys.readouterr().err

    folder.mkdir()
    assert main(["rank", "why", str(folder / "missing"), "-o", str(folder)]) == 1
    assert str(folder) in capsys.readouterr().err

    (folder / "p").write_text("soap")
    assert main(["rank", "why", str(folder / "p"), "-m", name, "--local-files-only"]) == 1
    assert repr(name) in capsys.readouterr().err

    row = json.dumps({"text": 7, name: 1})
    (folder / "p").write_text(row)
    assert main(["rank", "why", str(folder / "p")]) == 1
    assert repr(name) in capsys.readouterr().err

    (folder / "run").write_text(f"{name.replace(' ', '_')} Q0 d 1 2 a")
    (folder / "p").write_text("d\ta")
    given = ["--run", str(folder / "run")]
    for kind in ("--queries", "--corpus"):
        given += [kind, str(folder / "p")]
    assert main(["rank", *given]) == 1
    assert repr(name.replace(" ", "_")) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--backend", "onnx", "--precision", "int8"], "--backend onnx runs fp32 only; got --prec"),
        (
            ["--backend", "onnx", "--device", "cuda"],
            "--backend onnx runs on --device cpu; got",
        ),
        (["--revision", "v2"], "--revision v2 is for hub models"),
        (["--score-threshold", "nan"], "--score-threshold must be a number"),
        (["--label", "exact"], "--label exact is not one of them"),
        (["-m", "someone/none", "--local-files-only"], "Without a network, use --model embedded"),
        (["--backend", "torch", "--device", "cuda:77"], "--device cuda:77 cannot be used here"),
    ],
)
def test_what_a_command_refuses_is_named_as_it_was_typed(
    tmp_path: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p").write_text("soap")
    assert main(["rank", "why", str(tmp_path / "p"), *options]) == 1
    assert said in capsys.readouterr().err


def test_settings_of_training_are_named_as_they_were_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pairs.jsonl").write_text('{"query": "q", "positive": "p"}')
    for given, said in (
        (["--learning-rate", "7"], "--learning-rate 7.0 is not allowed. Give a number above 0"),
        (["--questions", "0"], "--questions must be > 0, but got 0"),
    ):
        arguments = ["train", str(tmp_path / "pairs.jsonl"), "-o", str(tmp_path / "out"), *given]
        assert main(arguments) == 1
        assert said in capsys.readouterr().err
