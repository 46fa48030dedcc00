"""Files of this field: lines, JSONL, CSV, BEIR, TREC topics, qrels, runs.

In: files, compressed or not. Out: passages, queries, judgements and runs, and these written again.
A public door.
"""
