"""What a kept score is found by."""

import hashlib
from collections.abc import Iterable

from rerank_plugins.texts.passage import Passage


def pair_keys(identity: str, pairs: Iterable[tuple[str, str]]) -> list[bytes]:
    """A digest of 16 bytes for each pair, over both texts and what scores them.

    Args:
        identity: The `Identity.digest` of the scorer.
        pairs: n (query, passage) pairs.
    """
    start = hashlib.blake2b(identity.encode("ascii"), digest_size=16)
    of_query: dict[str, hashlib.blake2b] = {}
    keys = []
    for query, passage in pairs:
        if query not in of_query:
            of_query[query] = _with_texts(start, (query,))
        whole = Passage.of(passage)  # windows are cut from its text alone
        parts = (whole.header, whole.text, whole.footer)
        keys.append(_with_texts(of_query[query], parts).digest())
    return keys


def _with_texts(start: "hashlib.blake2b", texts: Iterable[str]) -> "hashlib.blake2b":
    """The digest with texts added, each behind its length: no two lists of texts look alike."""
    digest = start.copy()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest
