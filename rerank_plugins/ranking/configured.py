"""What a reranker says about its options."""

from typing import Any

from rerank_plugins.ranking.settings import Settings, Weight
from rerank_plugins.results import ScoreScale


class Configured:
    """Something with ranking options, which can be read but not changed."""

    _options: dict[str, Any]
    _settings: Settings

    @property
    def top_k(self) -> int | None:
        """How many passages are kept at most; `None` keeps all."""
        return self._settings.top_k

    @property
    def score_threshold(self) -> float | None:
        """The lowest score of a passage to keep; `None` keeps all."""
        return self._settings.score_threshold

    @property
    def scale(self) -> ScoreScale:
        """The scale of the scores."""
        return self._settings.scale

    @property
    def calibration(self) -> str | None:
        """Where the calibration comes from: a file, or `"auto"`."""
        source: str | None = self._options["calibration"]
        return source

    @property
    def first_stage_weight(self) -> Weight:
        """The weight of the first stage's opinion."""
        return self._settings.first_stage_weight

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher score of the first stage is better."""
        return self._settings.higher_is_better

    @property
    def cascade(self) -> list[dict[str, Any]] | None:
        """The stages before the last."""
        stages: list[dict[str, Any]] | None = self._options["cascade"]
        return stages

    @property
    def time_budget(self) -> float | None:
        """Seconds to score in."""
        return self._settings.time_budget
