"""Reranking on a cluster: a class for the batches of Ray Data, and the server on Ray Serve.

In: batches of a dataset, or requests over HTTP. Out: the batches with scores or rankings, or
answers. A public door; needs the extra `ray`.
"""

from rerank_plugins.process.extras import require

require("pyarrow", extra="ray", purpose="rerank_plugins.scale_out")

from rerank_plugins.scale_out.batches import RerankBatch  # noqa: E402
from rerank_plugins.scale_out.serving import serve_app  # noqa: E402

__all__ = ["RerankBatch", "serve_app"]
