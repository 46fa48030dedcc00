"""One process that answers the rerank requests of many clients: TEI's, Cohere's, Jina's and others.

A request of any dialect becomes one `Ask`, a reranker makes one `Answer` of it, and the dialect
writes that as its clients expect. In: bytes of HTTP. Out: bytes of HTTP. Private to the package:
`rerank serve` is its entry point.
"""
