"""Recipes: the files of this project, and what a recipe may hold."""

import os
from dataclasses import fields
from pathlib import Path

import pytest

from embedded_model.recipe.config import TrainingConfig
from embedded_model.recipe.settings import LoopConfig, MiningConfig
from embedded_model.sources.pairs import read_pairs
from rerank_plugins.errors import InvalidInputError

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.toml"))
FROM_THE_BI_ENCODER = next(path for path in RECIPES if path.stem == "from-the-bi-encoder")


class TestConfig:
    @pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
    def test_every_recipe_is_valid_and_named_by_the_readme(self, path: Path) -> None:
        assert TrainingConfig.from_toml(path).max_length == 384
        readme = (path.parents[1] / "README.md").read_text(encoding="utf-8")
        assert f"(recipes/{path.name})" in readme

    def test_the_recipe_from_the_bi_encoder_starts_with_short_texts(self) -> None:
        config = TrainingConfig.from_toml(FROM_THE_BI_ENCODER)
        assert config.layers == (0, 2, 3, 5)
        assert {view.kind for view in config.views if view.first_step == 0} == {
            "windows",
            "reworded",
            "sentences",
        }

    def test_every_field_says_what_it_takes(self) -> None:
        kept = {"base": "b", "layers": [0], "views": [{"kind": "passages", "sources": {"a": 1}}]}
        for kind, where in ((TrainingConfig, None), (MiningConfig, "mining"), (LoopConfig, "loop")):
            for name in {entry.name for entry in fields(kind)} - {"views"}:
                wrong = {name: [None]}
                table = {**kept, **(wrong if where is None else {where: wrong})}
                with pytest.raises(InvalidInputError, match=f"{name} is .*; allowed is (a|true)"):
                    TrainingConfig.from_table(table)

    def test_a_whole_number_is_a_number(self) -> None:
        views = [{"kind": "passages", "sources": {"a": 1}, "label_weight": 1}]
        table = {"base": "b", "layers": [0], "views": views}
        assert TrainingConfig.from_table(table).views[0].label_weight == 1

    def test_a_missing_file_is_an_error_that_names_an_example(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInputError, match=r"third-version\.toml"):
            TrainingConfig.from_toml(tmp_path / "no.toml")

    def test_broken_toml_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "a.toml").write_text("= 1")
        with pytest.raises(InvalidInputError, match="not valid TOML"):
            TrainingConfig.from_toml(tmp_path / "a.toml")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"colour": 1}, "unknown entries colour"),
            ({"layers": []}, "at least one layer"),
            ({"views": []}, "at least one"),
            ({"views": {"kind": "passages"}}, r"\[\[views\]\]"),
            ({"views": [{"kind": "passages"}]}, "incomplete"),
            ({"views": [{"kind": "pages", "sources": {"a": 1}}]}, "one of passages"),
            ({"views": [{"kind": "passages", "sources": {}}]}, "number of questions"),
            ({"views": [{"kind": "passages", "sources": {"a": 0}}]}, "1 or more"),
            ({"views": [{"kind": "passages", "sources": {"a": 1}, "first_step": -1}]}, "0 or more"),
            (
                {"views": [{"kind": "passages", "sources": {"a": 1}, "first_step": 9}]},
                "at least one",
            ),
            ({"max_length": 1024}, "16 to 512"),
            ({"development_share": 0}, "below 0.5"),
            ({"start": "embedded", "start_share": 1.0}, "0 or more and below 1"),
            ({"start_share": 0.4}, "0 without a start"),
            ({"loop": {"passages": 1}}, "2 or more"),
            ({"loop": {"passages": 90}}, "90 or more"),
            ({"loop": {"precision": "fp8"}}, "one of fp32, bf16"),
            ({"loop": {"optimizer": "sgd"}}, "one of adamw, muon"),
            ({"loop": {"average_decay": 1.0}}, "below 1"),
            ({"loop": {"steps": 0}}, "1 or more"),
            ({"loop": {"steps": 10}}, "warmup_steps"),
            ({"loop": {"warmup_steps": -1}}, r"loop\.warmup_steps is -1; allowed is 0 or more"),
            ({"loop": {"decay_steps": -1}}, r"loop\.decay_steps is -1; allowed is 0 or more"),
            (
                {"loop": {"learning_rate": -1e-4}},
                r"loop\.learning_rate is -0\.0001; allowed is 0 or",
            ),
            ({"mining": {"middle": -1}}, r"mining\.middle is -1; allowed is 0 or more"),
            ({"mining": {"depth": 0}}, r"mining\.depth is 0; allowed is 1 or more"),
            ({"loop": {"speed": 10}}, "unknown entries speed"),
            ({"base": 5}, "base is 5; allowed is a text"),
            ({"layers": 4}, r"layers is 4; allowed is a list of whole numbers, such as \[0, 2\]"),
            ({"layers": [0, 1.5]}, "layers is .*; allowed is a list of whole numbers"),
            ({"start": 1}, "start is 1; allowed is a text"),
            ({"max_length": "384"}, "max_length is '384'; allowed is a whole number"),
            ({"max_length": True}, "max_length is True"),
            ({"seed": -1}, "seed is -1; allowed is 0 or more"),
            ({"development_share": "3%"}, "development_share is '3%'; allowed is a number"),
            ({"views": ["passages"]}, "views is 'passages'; allowed is a table"),
            (
                {"views": [{"kind": "passages", "sources": ["faq"]}]},
                r"views\.sources is \['faq'\]; allowed is a table of source",
            ),
            ({"views": [{"kind": "passages", "sources": {"a": "9"}}]}, r"views\.sources is"),
            ({"loop": 5}, "loop is 5; allowed is a table"),
            ({"mining": {"nearest": 3.5}}, r"mining\.nearest is 3\.5"),
            ({"loop": {"passages": 4.0}}, r"loop\.passages is 4\.0; allowed is a whole number"),
            (
                {"loop": {"joint_teachers": 1}},
                r"loop\.joint_teachers is 1; allowed is true or false",
            ),
            ({"loop": {"learning_rate": "1e-4"}}, r"loop\.learning_rate is '1e-4'; allowed is a"),
        ],
    )
    def test_an_impossible_value_is_an_error_that_says_what_is_allowed(
        self, change: dict[str, object], message: str
    ) -> None:
        table = {
            "base": "b",
            "layers": [0],
            "views": [{"kind": "passages", "sources": {"a": 1}}],
            **change,
        }
        with pytest.raises(InvalidInputError, match=message):
            TrainingConfig.from_table(table)


def test_every_source_of_that_recipe_can_be_read() -> None:
    folder = Path(os.environ.get("RERANK_TRAIN_DATA", ""))
    if not os.environ.get("RERANK_TRAIN_DATA"):
        pytest.skip("RERANK_TRAIN_DATA names no folder of question-passage pairs")
    config = TrainingConfig.from_toml(FROM_THE_BI_ENCODER)
    for source in {name for view in config.views for name in view.sources}:
        assert read_pairs(folder, source)
