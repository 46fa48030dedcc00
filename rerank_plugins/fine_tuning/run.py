"""A fine-tuning run: from a user's data to a model folder and its figures."""

from __future__ import annotations

import random
from pathlib import Path

from transformers import set_seed

from rerank_plugins.backends.cross_encoder import no_loading_bar
from rerank_plugins.errors import InvalidInputError
from rerank_plugins.fine_tuning.data import LabelledQuestion, TrainingData, read_training_data
from rerank_plugins.fine_tuning.measuring import (
    before_and_after,
    development_evaluator,
    held_out_candidates,
    judged,
    write_collection,
)
from rerank_plugins.fine_tuning.mining import mine_rows
from rerank_plugins.fine_tuning.options import MINIMUM_QUESTIONS, FineTuningOptions
from rerank_plugins.fine_tuning.result import MADE, DataSizes, FineTuningResult, RunFolder
from rerank_plugins.fine_tuning.run_folder import check_inputs, sole_run
from rerank_plugins.fine_tuning.saving import save_model, write_card
from rerank_plugins.fine_tuning.split import Split, split_questions
from rerank_plugins.fine_tuning.start_model import (
    bi_encoder_of,
    load_for_training,
    starting_folder,
    starting_scorer,
)
from rerank_plugins.fine_tuning.trainer import TrainingFigures, train
from rerank_plugins.messages.spelling import option
from rerank_plugins.models.identity import model_digest
from rerank_plugins.scorer import CrossEncoderScorer


def fine_tune(
    data: Path,
    output: Path,
    options: FineTuningOptions | None = None,
    *,
    resume: bool = True,
    progress: bool = False,
) -> FineTuningResult:
    """Fine-tunes a cross-encoder and returns the model's folder with figures before and after.

    The run writes four things to `output`: `model/`; `held-out/`, the held-out questions as a
    collection for `rerank eval`; `fine_tuning.json` with settings and figures; and, until it is
    done, `checkpoints/`. A run that was stopped continues from its last checkpoint when it is
    started again. A run that is done returns its result without training again.

    Args:
        data: Pairs or a BEIR folder; see `read_training_data`.
        output: Folder for everything the run writes.
        options: The settings; `None` takes the defaults.
        resume: Continue an earlier run in `output`; otherwise its files are removed.
        progress: Show progress bars on standard error.

    Raises:
        InvalidInputError: The data are broken or too few, an option is not allowed, or `output`
            holds another run, is written to by one, or the model or the data lie where
            the run writes.
        ModelError: The model cannot be loaded.
    """
    options = options or FineTuningOptions()
    read = read_training_data(data)
    if len(read.questions) < MINIMUM_QUESTIONS:
        message = (
            f"{data} has {len(read.questions)} different questions, and fine-tuning needs at "
            f"least {MINIMUM_QUESTIONS}. A gain takes a few hundred."
        )
        raise InvalidInputError(message)
    start = starting_folder(options)
    check_inputs(output, MADE, (data, start))
    weights = model_digest(start)
    with sole_run(output), no_loading_bar():
        folder = RunFolder(output, options, read, weights, resume=resume)
        return folder.finished() or _run(read, folder, options, progress)


def _run(
    data: TrainingData, folder: RunFolder, options: FineTuningOptions, progress: bool
) -> FineTuningResult:
    with starting_scorer(options) as before:
        split = split_questions(
            _drawn(data, options),
            development=options.development,
            held_out=options.held_out,
            seed=options.seed,
        )
        collection = judged(f"{data.name}, held out", split.held_out, data.passages)
        candidates = held_out_candidates(collection, options.depth) if split.held_out else {}
        sizes, training = _train(data, split, folder, options, progress)
        held_out = None
        if split.held_out:
            write_collection(collection, folder.collection)
            with CrossEncoderScorer(folder.model) as after:
                held_out = before_and_after(
                    collection, candidates, before, after, depth=options.depth, progress=progress
                )
    write_card(
        folder.model,
        name=data.name,
        sizes=sizes,
        options=options,
        training=training,
        held_out=held_out,
    )
    result = FineTuningResult(
        model=folder.model,
        collection=folder.collection if split.held_out else None,
        sizes=sizes,
        training=training,
        held_out=held_out,
    )
    folder.finish(result)
    return result


def _drawn(data: TrainingData, options: FineTuningOptions) -> list[LabelledQuestion]:
    count = min(options.questions or len(data.questions), len(data.questions))
    return random.Random(options.seed).sample(data.questions, count)


def _train(
    data: TrainingData,
    split: Split,
    folder: RunFolder,
    options: FineTuningOptions,
    progress: bool,
) -> tuple[DataSizes, TrainingFigures]:
    if not split.train:
        message = (
            f"{option('held_out', options.held_out)} and "
            f"{option('development', options.development)} take all of the "
            f"{len(split.held_out) + len(split.development)} questions, and none is left to train "
            "on. Give smaller shares."
        )
        raise InvalidInputError(message)
    set_seed(options.seed)
    rows = mine_rows(
        split.train,
        data.passages,
        negatives=options.negatives,
        bi_encoder=bi_encoder_of(options),
        seed=options.seed,
        progress=progress,
    )
    if not rows:
        message = (
            f"There is nothing to learn from {data.name}: no answer has a wrong passage beside it. "
            'Add passages, as answers to other questions or as "negatives".'
        )
        raise InvalidInputError(message)
    evaluator = development_evaluator(split.development, data.passages, options.batch_size)
    model, own_length = load_for_training(options)
    folder.begin()
    training = train(
        model, rows, evaluator, options, checkpoints=folder.checkpoints, progress=progress
    )
    save_model(model, folder.model, own_length)
    sizes = DataSizes(
        train=len(split.train),
        development=len(split.development),
        held_out=len(split.held_out),
        rows=len(rows),
        passages=len(data.passages),
    )
    return sizes, training
