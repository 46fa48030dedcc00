"""Passages that the model cannot read whole are scored by their best window."""

import random
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from rerank_plugins import (
    CrossEncoderScorer,
    InvalidInputError,
    PairScores,
    Passage,
    Reranker,
    UnsupportedOptionError,
    compile_model,
)
from rerank_plugins.backends.pair_counter import PairCounter
from rerank_plugins.errors import ModelError
from rerank_plugins.models.files import OWN_SETTINGS_FILE
from rerank_plugins.models.own_settings import OwnSettings, read_own_settings, write_own_settings
from rerank_plugins.scorer import reading_of
from rerank_plugins.texts.windows import window_spans
from rerank_plugins.tokens.pairs import PairTokenizer
from rerank_plugins.tokens.windows import Windowed, WindowSettings, encode_windows
from tests.tiny_models import (
    WORDS,
    edit_json,
    save_tiny_architecture,
    save_tiny_chat_model,
    tiny_tokenizer,
)
from tests.trained_tokenizers import KINDS, random_words

QUERY = "why is the sea blue"
ALL = WindowSettings(tokens=None, overlap=None, most=24)


def sentences(count: int, seed: int = 1, longest: int = 12) -> str:
    """Sentences of words that the tiny models know."""
    choice = random.Random(seed)
    return " ".join(
        " ".join(choice.choices(WORDS, k=choice.randint(2, longest))).capitalize() + "."
        for _ in range(count)
    )


def predicted(folder: Path, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """What `CrossEncoder.predict` gives each pair alone."""
    model = CrossEncoder(str(folder), device="cpu")
    plain = [(str(query), str(passage)) for query, passage in pairs]
    return model.predict(plain, activation_fn=torch.nn.Identity(), batch_size=1)


def answered(scorer: CrossEncoderScorer, pairs: Sequence[tuple[str, str]]) -> PairScores:
    return scorer.submit(pairs).result()


def tokenizer_of(kind: str, max_length: int) -> PairTokenizer:
    return PairTokenizer(KINDS[kind]().to_str(), max_length=max_length)


def texts(windowed: Windowed, text: str) -> list[str]:
    return [text[start:end] for start, end in windowed.spans]


@pytest.mark.parametrize(
    ("architecture", "backend"),
    [("bert", "torch"), ("bert", "onnx"), ("bert", "openvino"), ("roberta", "torch")],
)
def test_the_score_is_that_of_the_best_window_which_is_predicts(
    architecture: str, backend: str, tmp_path: Path
) -> None:
    model = save_tiny_architecture(tmp_path, architecture)
    passages = [
        sentences(3),
        sentences(40, seed=2),
        Passage(sentences(25, seed=3), header="Red sea\n"),
        " ".join(random.Random(4).choices(WORDS, k=200)),
    ]
    pairs = [(QUERY, passage) for passage in passages]
    options = {"long_passages": "windows", "window_tokens": 20, "window_overlap": 4}
    with CrossEncoderScorer(model, backend=backend, device="cpu", **options) as scorer:
        scores = answered(scorer, pairs)
        (loaded,) = scorer._shared.engine.backends
        prepared = loaded.prepare(pairs, reading_of(scorer))
    assert prepared.windows is not None
    assert scores.windows.tolist() == [len(spans) for spans in prepared.windows]
    assert scores.windows[0] == 1
    assert min(scores.windows[1:]) > 3
    assert not scores.truncated.any()
    given = [Passage.of(passage) for passage in passages]
    windows = [
        [passage.part(*span) for span in spans]
        for passage, spans in zip(given, prepared.windows, strict=True)
    ]
    all_of_them = predicted(model, [(QUERY, window) for each in windows for window in each])
    parts = np.split(all_of_them, np.cumsum(scores.windows)[:-1])
    for at, wanted in enumerate(parts):
        assert scores.logits[at] == pytest.approx(wanted.max(), abs=1e-5)
        assert tuple(scores.best[at].tolist()) == prepared.windows[at][wanted.argmax()]
        assert all(window.startswith(given[at].header) for window in windows[at])


def test_a_passage_that_fits_is_scored_bit_for_bit_as_without_windows(tiny_model: Path) -> None:
    passages = [sentences(2, seed) for seed in range(60)] + [Passage("a fox", "b "), "", "  "]
    with (
        CrossEncoderScorer(tiny_model, long_passages="truncate") as plain,
        CrossEncoderScorer(tiny_model, long_passages="windows", window_tokens=5) as windows,
    ):
        scores = answered(windows, [(QUERY, passage) for passage in passages])
        assert scores.logits.tolist() == plain.score(QUERY, passages).tolist()
    assert set(scores.windows.tolist()) == {1}
    assert scores.best.tolist() == [[0, len(Passage.of(each).text)] for each in passages]


def test_without_windows_nothing_is_said_of_them(tiny_model: Path) -> None:
    with CrossEncoderScorer(tiny_model) as scorer:
        scores = answered(scorer, [(QUERY, sentences(30))])
        (ranked,) = Reranker(scorer).rank(QUERY, [sentences(30)])
    assert scores.windows is None
    assert scores.best is None
    assert (ranked.truncated, ranked.windows, ranked.window) == (True, None, None)


@pytest.mark.parametrize("size", [7, 30, 100])
@pytest.mark.parametrize("kind", KINDS)
def test_windows_hold_every_word_and_are_no_longer_than_asked(kind: str, size: int) -> None:
    tokenizer, choice = tokenizer_of(kind, 512), random.Random(size)
    for overlap in (0, 3, size // 2):
        words = random_words(choice, 600)
        text = "".join(
            word + choice.choice([" ", " ", "\n\n", ". ", "。", "! ", "\t"]) for word in words
        )
        spans = window_spans(text, tokenizer.ends(text), size, overlap)
        covered = np.zeros(len(text), dtype=bool)
        for start, end in spans:
            assert tokenizer.length(text[start:end]) <= size + 2  # of words that start a text
            covered[start:end] = True
        assert not "".join(np.array(list(text))[~covered]).strip()
        for (start, end), (after, behind) in pairwise(spans):
            assert start < after <= end + 2
            assert behind > end
            repeated = text[after:end].strip() if after < end else ""
            assert tokenizer.length(repeated) <= overlap + 2


def test_windows_start_and_end_with_sentences() -> None:
    text = sentences(40)
    tokenizer = PairTokenizer(tiny_tokenizer().backend_tokenizer.to_str(), max_length=64)
    spans = window_spans(text, tokenizer.ends(text), size=30, overlap=8)
    parts = [text[start:end] for start, end in spans]
    assert all(part[0].isupper() and part.endswith(".") for part in parts)
    assert len(parts) > 5
    assert any(one[-1] > two[0] for one, two in pairwise(spans))


def test_a_sentence_longer_than_a_window_is_cut_between_words_and_a_word_between_tokens() -> None:
    tokenizer = tokenizer_of("WordPiece", 64)
    words = "red fox " * 30
    spans = window_spans(words, tokenizer.ends(words), size=10, overlap=2)
    assert {tuple(words[s:e].split()) for s, e in spans[:-1]} == {("red", "fox") * 5}
    word, tokenizer = "bake" * 15, tokenizer_of("byte-level BPE", 64)
    pieces = window_spans(word, tokenizer.ends(word), size=4, overlap=0)
    assert len(pieces) > 2
    assert "".join(word[s:e] for s, e in pieces) == word


@pytest.mark.parametrize("text", ["", "  ", "\n" * 5])
def test_a_text_without_words_has_no_windows(text: str) -> None:
    tokenizer = tokenizer_of("byte-level BPE", 64)
    assert window_spans(text, tokenizer.ends(text), size=2, overlap=0) == []


@pytest.mark.parametrize("kind", KINDS)
def test_windows_fill_what_query_and_header_leave(kind: str) -> None:
    tokenizer = tokenizer_of(kind, 64)
    text = " ".join(random_words(random.Random(4), 400))
    passage = Passage(text, header="red fox\n\n")
    (found,) = encode_windows(tokenizer, [(QUERY, passage)], ALL)
    lengths = [len(tokens) for tokens in found.tokens]
    assert max(lengths) <= 64
    assert np.mean(lengths[:-1]) > 52
    assert not any(tokens.truncated for tokens in found.tokens)
    wanted = tokenizer.encode([(QUERY, passage.part(*span)) for span in found.spans])
    for tokens, other in zip(found.tokens, wanted, strict=True):
        assert tokens.input_ids.tolist() == other.input_ids.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_million_characters_are_not_read_if_few_windows_are_wanted(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = tokenizer_of(kind, 64)
    read: list[int] = []
    ends = PairTokenizer.ends
    monkeypatch.setattr(
        PairTokenizer, "ends", lambda self, text: (read.append(len(text)), ends(self, text))[1]
    )
    text, few = "the red fox is. " * 70_000, WindowSettings(20, 5, 3)
    (found,) = encode_windows(tokenizer, [(QUERY, text)], few)
    assert len(found.spans) == 3
    assert found.truncated
    assert found.spans == encode_windows(tokenizer, [(QUERY, text[:3000])], few)[0].spans
    assert sum(read) < 10_000


def test_of_words_longer_than_most_more_is_read() -> None:
    tokenizer = PairTokenizer(tiny_tokenizer().backend_tokenizer.to_str(), max_length=32)
    text = f"{'x' * 500} " * 100
    (found,) = encode_windows(tokenizer, [(QUERY, text)], WindowSettings(5, 0, 10))
    assert [len(one.split()) for one in texts(found, text)] == [5] * 10
    assert found.truncated


def test_a_query_that_leaves_little_room_is_cut_as_in_a_whole_pair() -> None:
    tokenizer = PairTokenizer(tiny_tokenizer().backend_tokenizer.to_str(), max_length=32)
    text, query = sentences(20), "why is the sea blue " * 20
    (found,) = encode_windows(tokenizer, [(query, text)], ALL)
    assert found.truncated
    assert {len(tokens) for tokens in found.tokens} == {32}
    assert len(found.tokens) > 5
    (short,) = encode_windows(tokenizer, [(query, "the sea")], ALL)
    assert short.truncated
    assert short.spans == [(0, 7)]


def test_a_header_that_leaves_little_room_is_cut_and_told() -> None:
    tokenizer = PairTokenizer(tiny_tokenizer().backend_tokenizer.to_str(), max_length=32)
    text = sentences(12)
    passage = Passage(text, header="red fox " * 40, footer=" blue sea" * 40)
    (found,) = encode_windows(tokenizer, [(QUERY, passage)], ALL)
    assert found.truncated
    assert {text[end - 1] for _, end in found.spans} <= {".", *"abcdefghijklmnopqrstuvwxyz"}
    red = tiny_tokenizer().convert_tokens_to_ids("red")
    assert all(red in tokens.input_ids for tokens in found.tokens)
    assert not any(tokens.truncated for tokens in found.tokens)


@pytest.mark.parametrize("beginning", [" " * 4000, "ab12cd" * 700, "\u200b" * 4000])
def test_a_header_with_few_tokens_in_its_beginning_is_cut_behind_them(beginning: str) -> None:
    tokenizer = PairTokenizer(tiny_tokenizer().backend_tokenizer.to_str(), max_length=32)
    text = sentences(12)
    passage = Passage(text, header=f"Fish\n{beginning}\n" + "red fox " * 40)
    (found,) = encode_windows(tokenizer, [(QUERY, passage)], ALL)
    assert found.truncated
    red = tiny_tokenizer().convert_tokens_to_ids("red")
    assert all(red in tokens.input_ids for tokens in found.tokens)


def test_the_same_string_with_another_footer_has_windows_of_its_own(tiny_model: Path) -> None:
    body, foot = sentences(30), " Fish swim in the sea." * 4
    cut = (QUERY, Passage(body, footer=foot))
    with CrossEncoderScorer(tiny_model, long_passages="windows", window_tokens=32) as scorer:
        both = answered(scorer, [(QUERY, body + foot), cut])
        alone = answered(scorer, [cut])
    assert both.best[1].tolist() == alone.best[0].tolist()
    assert both.windows[1] == alone.windows[0]
    assert both.best[1][1] <= len(body)


def test_the_same_string_with_another_header_has_windows_of_its_own(tiny_model: Path) -> None:
    text = sentences(30)
    with CrossEncoderScorer(tiny_model, long_passages="windows") as scorer:
        both = answered(scorer, [(QUERY, f"Fish {text}"), (QUERY, Passage(text, header="Fish "))])
        again = answered(scorer, [(QUERY, Passage(text, header="Fish "))])
    assert both.best[1].tolist() == again.best[0].tolist()
    assert both.windows[0] != both.windows[1] or both.best[0].tolist() != both.best[1].tolist()


def test_a_tokenizer_without_a_fixed_frame_makes_windows_too() -> None:
    backwards = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]"))
    backwards.pre_tokenizer = pre_tokenizers.Whitespace()
    backwards.post_processor = processors.TemplateProcessing(
        single="$A", pair="$B $A", special_tokens=[]
    )
    tokenizer = PairTokenizer(backwards.to_str(), max_length=8)
    (found,) = encode_windows(tokenizer, [("a a", "b " * 20)], WindowSettings(None, 0, 24))
    assert [tokens.input_ids.tolist() for tokens in found.tokens] == [
        *[[2, 2, 2, 2, 2, 2, 1, 1]] * 3,
        [2, 2, 1, 1],
    ]
    assert not found.truncated


def test_what_is_behind_the_last_window_is_told_and_counted(tiny_model: Path) -> None:
    passages = [sentences(60), sentences(8, seed=3), "a fox"]
    options = {"long_passages": "windows", "window_tokens": 20, "max_windows": 4}
    with CrossEncoderScorer(tiny_model, **options) as scorer:
        reranker = Reranker(scorer)
        ranking = sorted(reranker.rank(QUERY, passages), key=lambda ranked: ranked.index)
        assert scorer.statistics.pairs == 3
        assert scorer.statistics.truncated == 1
    assert [ranked.truncated for ranked in ranking] == [True, False, False]
    assert [ranked.windows for ranked in ranking] == [4, ranking[1].windows, 1]
    assert ranking[2].window == (0, 5)
    start, end = ranking[0].window
    assert re.fullmatch(r"[A-Z].*\.", passages[0][start:end])


def test_within_a_time_budget_the_same_windows_are_scored(tiny_model: Path) -> None:
    passages = [sentences(count, seed=count) for count in (1, 30, 3, 60, 90)]
    options = {"long_passages": "windows", "window_tokens": 20, "max_windows": 12}
    with CrossEncoderScorer(tiny_model, **options) as scorer:
        reranker = Reranker(scorer, scale="logit")
        wanted = reranker.rank(QUERY, passages)
        found = reranker.rank(QUERY, passages, time_budget=60.0)
    assert found.complete
    for one, other in zip(found, wanted, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-5)
        assert (one.index, one.windows, one.window) == (other.index, other.windows, other.window)
        assert one.truncated == other.truncated


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_window_is_the_same_whether_the_others_are_asked_for_or_not(kind: str) -> None:
    tokenizer, choice = tokenizer_of(kind, 64), random.Random(6)
    for length in (40, 100, 400):
        words = random_words(choice, length)
        text = "".join(word + choice.choice([" ", " ", "\n", ". "]) for word in words)
        pair, settings = (QUERY, Passage(text, header="Fish. ")), WindowSettings(20, 4, 9)
        (whole,) = encode_windows(tokenizer, [pair], settings)
        (first,) = encode_windows(tokenizer, [pair], settings, slice(0, 1))
        (rest,) = encode_windows(tokenizer, [pair], settings, slice(1, None))
        assert [*first.spans, *rest.spans] == list(whole.spans)
        assert first.more == (len(whole.spans) > 1)
        assert first.truncated == (first.more or whole.truncated)
        assert rest.truncated == whole.truncated
        assert not rest.more


def test_a_word_is_not_cut_where_the_first_windows_are_looked_for() -> None:
    """WordPiece reads a very long word as one token, and its beginning alone as dozens."""
    tokenizer = PairTokenizer(tiny_tokenizer().backend_tokenizer.to_str(), max_length=128)
    text = f"red fox {'ab12cd34ef' * 15} {'ab12cd34ef' * 40} blue"
    pair, settings = (QUERY * 30, text), WindowSettings(16, None, 24)
    (whole,) = encode_windows(tokenizer, [pair], settings)
    (first,) = encode_windows(tokenizer, [pair], settings, slice(0, 1))
    assert whole.spans == first.spans == [(0, len(text))]
    assert not first.more


def test_affixes_are_part_of_every_window(tiny_model: Path) -> None:
    text = sentences(30)
    affixes = {"passage_prefix": "red: ", "passage_suffix": " blue"}
    options = {"long_passages": "windows", "window_tokens": 20}
    with CrossEncoderScorer(tiny_model, **options, **affixes) as scorer:
        scores = answered(scorer, [(QUERY, Passage(text, header="Sea. "))])
    start, end = scores.best[0]
    window = f"red: Sea. {text[start:end]} blue"
    assert scores.logits[0] == pytest.approx(predicted(tiny_model, [(QUERY, window)])[0], abs=1e-5)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"long_passages": "split"}, "must be one of 'truncate', 'windows', but got 'split'"),
        ({"window_tokens": 0}, "window_tokens must be > 0"),
        ({"window_overlap": -1}, "window_overlap must be >= 0, but got -1. Pass a whole number."),
        ({"window_overlap": 1.5}, "window_overlap must be >= 0, but got 1.5"),
        ({"max_windows": True}, "max_windows must be > 0"),
        (
            {"long_passages": "truncate", "window_tokens": 99, "max_windows": 3},
            "window_tokens and max_windows would have no effect, because long passages are "
            "truncated. Add long_passages='windows', or leave them out.",
        ),
        (
            {"window_tokens": 64, "window_overlap": 64},
            "window_overlap=64 must be less than window_tokens=64, because each window goes on "
            "where the one before ends. Pass for example window_overlap=16.",
        ),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_loaded(
    options: dict[str, object], says: str
) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(says)):
        CrossEncoderScorer("embedded", **options)


def test_what_only_the_model_can_tell_is_refused_when_it_is_loaded(tiny_model: Path) -> None:
    says = (
        "window_tokens=61 leaves no room for a query: query and window of .* have at most 61 "
        "tokens together. Pass fewer, or leave it out"
    )
    with (
        CrossEncoderScorer(tiny_model, long_passages="windows", window_tokens=61) as scorer,
        pytest.raises(UnsupportedOptionError, match=says),
    ):
        scorer.warm_up()
    with (
        CrossEncoderScorer(tiny_model, max_windows=3) as scorer,
        pytest.raises(InvalidInputError, match="max_windows would have no effect"),
    ):
        scorer.warm_up()


def test_a_model_that_makes_its_input_itself_has_windows_too(tmp_path: Path) -> None:
    folder, text = save_tiny_chat_model(tmp_path), sentences(150)
    options = {"long_passages": "windows", "max_length": 64, "window_overlap": 0}
    with CrossEncoderScorer(folder, **options) as scorer:
        scores = answered(scorer, [(QUERY, Passage(text, header="Sea. ")), (QUERY, "a fox")])
        (loaded,) = scorer._shared.engine.backends
        found = loaded.prepare([(QUERY, Passage(text, header="Sea. "))], reading_of(scorer))
    assert scores.windows.tolist() == [len(found.inputs), 1]
    assert scores.truncated.tolist() == [False, False]
    assert scores.windows[0] > 3
    assert all(window.startswith("Sea. ") for _, window in found.inputs)
    wanted = predicted(folder, [*found.inputs, (QUERY, "a fox")])
    assert scores.logits.tolist() == pytest.approx([wanted[:-1].max(), wanted[-1]], abs=1e-5)
    model = CrossEncoder(str(folder), device="cpu")
    lengths = [model.preprocess([pair])["input_ids"].shape[-1] for pair in found.inputs]
    assert 40 < max(lengths) <= 64


def test_the_prompt_of_a_models_folder_takes_room_from_its_windows(tmp_path: Path) -> None:
    folder = save_tiny_chat_model(tmp_path)
    prompt = " ".join(WORDS[:20])
    prompts = {"prompts": {"query": prompt}, "default_prompt_name": "query"}
    edit_json(folder / "config_sentence_transformers.json", **prompts)
    with CrossEncoderScorer(folder, long_passages="windows") as scorer:
        scorer.warm_up()
        (loaded,) = scorer._shared.engine.backends
        found = loaded.prepare([(QUERY, " ".join(WORDS * 20))], reading_of(scorer))
    model = CrossEncoder(str(folder), device="cpu")
    whole = {
        "prompt": prompts["prompts"]["query"],
        "processing_kwargs": {"text": {"max_length": 9999}},
    }
    lengths = [model.preprocess([pair], **whole)["input_ids"].shape[-1] for pair in found.inputs]
    assert len(lengths) > 1
    assert 100 < max(lengths) <= 128  # all that the model reads


def test_windows_of_a_model_without_a_fast_tokenizer_are_refused(tmp_path: Path) -> None:
    model = CrossEncoder(str(save_tiny_chat_model(tmp_path)), device="cpu")
    says = (
        "long_passages='windows' needs a fast tokenizer.*Pass long_passages='truncate', and split"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(model.tokenizer), "is_fast", False)
        with pytest.raises(UnsupportedOptionError, match=says):
            PairCounter(model, "tiny", 64, None)


@pytest.fixture
def naming(tmp_path: Path) -> Path:
    """A model whose folder names windows."""
    folder = save_tiny_architecture(tmp_path / "naming", "bert")
    named = OwnSettings(1.5, "windows", window_tokens=20, window_overlap=0, max_windows=3)
    write_own_settings(folder, named)
    assert read_own_settings(folder) == named
    return folder


def test_a_models_folder_names_its_windows_and_options_have_the_last_word(naming: Path) -> None:
    def windows(**options: object) -> int | None:
        with CrossEncoderScorer(naming, **options) as scorer:
            return Reranker(scorer).rank(QUERY, [sentences(60)])[0].windows

    assert windows() == 3
    assert windows(max_windows=5) == 5
    assert windows(max_windows=99, window_tokens=10) > 20
    assert windows(long_passages="truncate") is None
    assert windows(max_length=16) == 3
    write_own_settings(naming, OwnSettings(None, "windows", window_tokens=40, window_overlap=30))
    assert windows(window_tokens=20) > 10
    with pytest.raises(InvalidInputError, match="window_overlap=60 must be less than"):
        windows(window_overlap=60)


def test_a_bundle_keeps_the_windows_of_its_model(naming: Path, tmp_path: Path) -> None:
    text = sentences(60)
    bundle = compile_model(naming, tmp_path / "bundle", backend="onnx")
    with CrossEncoderScorer(bundle) as compiled, CrossEncoderScorer(naming) as model:
        found, wanted = answered(compiled, [(QUERY, text)]), answered(model, [(QUERY, text)])
    assert found.windows.tolist() == [3]
    assert found.best.tolist() == wanted.best.tolist()
    assert found.logits == pytest.approx(wanted.logits, abs=1e-5)


def test_windows_are_part_of_the_identity(naming: Path, tiny_model: Path) -> None:
    def identity(folder: Path, **options: object) -> str:
        with CrossEncoderScorer(folder, **options) as scorer:
            before = scorer.identity
            scorer.warm_up()
            assert scorer.identity == before
            return scorer.identity.digest

    named = {"window_tokens": 20, "window_overlap": 0, "max_windows": 3}
    assert identity(naming) == identity(naming, long_passages="windows", **named)
    assert identity(naming) != identity(naming, window_tokens=10)
    assert identity(naming) != identity(naming, long_passages="truncate")
    assert identity(tiny_model) == identity(tiny_model, long_passages="truncate")


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"long_passages": "split"}, "'truncate' or 'windows', but has str 'split'"),
        ({"window_tokens": 0}, "a whole number > 0, but has int 0. Write for example"),
        ({"window_overlap": -1}, "a whole number >= 0, but has int -1"),
        ({"max_windows": True}, "a whole number > 0, but has bool True"),
    ],
)
def test_a_folder_that_names_what_cannot_be_is_an_error(
    setting: dict[str, object], says: str, naming: Path
) -> None:
    edit_json(naming / OWN_SETTINGS_FILE, **setting)
    with (
        CrossEncoderScorer(naming) as scorer,
        pytest.raises(ModelError, match=re.escape(says)),
    ):
        scorer.score(QUERY, ["fish"])
