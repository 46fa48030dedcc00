"""Fusion with the first stage in a report: as JSON, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rerank_plugins.evaluation.comparison import Comparison
from rerank_plugins.evaluation.fusion import Fusion
from rerank_plugins.evaluation.fusion_advice import advice
from rerank_plugins.evaluation.measures import mean_name


def fusion_values(fusion: Fusion, comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Returns plain values: the advice, the gains, and what each weight gives."""
    found = advice(fusion, comparisons)
    return {
        "name": fusion.name,
        "order": fusion.orders[0].name,
        "answer": found.answer,
        "text": found.text,
        "options": found.options or None,
        "first_stage_weight": fusion.weight,
        "weights_of_folds": list(fusion.fold_weights),
        "queries": fusion.queries,
        "gain_over_model": asdict(fusion.over_model),
        "gain_over_first_stage": asdict(fusion.over_first_stage),
        "gain_of_model_over_first_stage": asdict(fusion.model_over_first_stage),
        "means_by_weight": [
            {"first_stage_weight": weight, "mean": mean}
            for weight, mean in fusion.by_weight.items()
        ],
    }


def fusion_markdown(fusions: Sequence[Fusion], comparisons: Sequence[Comparison]) -> str:
    """Returns a table of the gains, then for each reranker the advice and the options to copy."""
    lines = [
        f"| {mean_name(comparisons[0].measures[0])} x 100 | alone | with the first stage | gain "
        "| 95% interval |",
        "|---|---:|---:|---:|---:|",
    ]
    for fusion in fusions:
        gained = fusion.over_model
        lines.append(
            f"| {fusion.name} | {100 * fusion.alone:.1f} | {100 * fusion.fused:.1f} | "
            f"{100 * gained.mean:+.1f} | {100 * gained.low:+.1f} to {100 * gained.high:+.1f} |"
        )
    parts = ["\n".join(lines)]
    for fusion in fusions:
        found = advice(fusion, comparisons)
        parts.append(f"**{fusion.name}**: {found.text}")
        if found.options:
            parts += [f"```python\n{found.python}\n```", f"```yaml\n{found.yaml}\n```"]
    return "\n\n".join(parts)
