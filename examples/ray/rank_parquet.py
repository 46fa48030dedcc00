"""Ranks the passages of each question in a parquet file, on all machines of a Ray cluster.

Install, from the root of a clone: pip install ".[ray]"
Run: python examples/ray/rank_parquet.py [IN.parquet OUT_FOLDER]
Without files it makes some from the corpus of `rerank demo`.
"""

import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import ray
from ray.data import ActorPoolStrategy

from rerank_plugins.demo import load_corpus, load_questions
from rerank_plugins.scale_out import RerankBatch

ACTORS = 2


def questions(file: Path) -> None:
    """Writes six questions, each with its answer among nine other passages."""
    corpus = load_corpus()
    texts = {passage.id: passage.text for passage in corpus}
    rows = [
        {
            "question": question.query,
            "passages": [
                *(passage.text for passage in corpus[9 * at : 9 * at + 9]),
                texts[question.answer],
            ],
        }
        for at, question in enumerate(load_questions()[:6])
    ]
    pq.write_table(pa.Table.from_pylist(rows), file)


def main() -> None:
    """Reads, ranks, writes, and shows what was best."""
    folder = Path(tempfile.mkdtemp())
    given = [Path(name) for name in sys.argv[1:]] or [folder / "in.parquet", folder / "out"]
    if len(sys.argv) == 1:
        questions(given[0])
    ray.init(include_dashboard=False, log_to_driver=False)
    ranked = ray.data.read_parquet(str(given[0])).map_batches(
        RerankBatch,
        fn_constructor_kwargs={
            "model": "embedded",
            "query": "question",
            "passages": "passages",
            "top_k": 3,
        },
        compute=ActorPoolStrategy(min_size=1, max_size=ACTORS),  # reading needs a processor too
        num_cpus=1,
        batch_size=1000,
        batch_format="pyarrow",
    )
    ranked.write_parquet(str(given[1]))
    for row in pq.read_table(given[1]).to_pylist():
        best = row["ranking"][0]
        print(f"{best['score']:.3f}  {row['question']}")
        print(f"       {row['passages'][best['index']][:70].rstrip()}")


if __name__ == "__main__":
    main()
