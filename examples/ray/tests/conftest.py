"""A cluster of two processors on this machine: nothing leaves it, and it takes little memory."""

import os
import random
import shutil
import socket
import tempfile
from collections.abc import Iterator

import pyarrow as pa
import pytest

from rerank_plugins.demo import load_corpus, load_questions

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray
from ray import serve


@pytest.fixture(scope="session", autouse=True)
def cluster() -> Iterator[None]:
    """Ray on the loopback address, without its dashboard; sockets need a short path."""
    folder = tempfile.mkdtemp(prefix="ray-")
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", folder)
    ray.init(
        num_cpus=2,
        object_store_memory=200_000_000,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        _temp_dir=folder,
        _system_config={"worker_niceness": 0},  # beside other work as any process
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()
    patch.undo()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Ray Serve on a free port; it is started anew for each module of tests."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()


@pytest.fixture(scope="session")
def pairs() -> pa.Table:
    """Six hundred pairs of unlike lengths."""
    choice = random.Random(22)
    passages = [passage.text for passage in load_corpus()]
    queries = [question.query for question in load_questions()]
    count = 600
    return pa.table(
        {
            "id": list(range(count)),
            "query": [choice.choice(queries) for _ in range(count)],
            "passage": [choice.choice(passages)[: choice.randint(20, 200)] for _ in range(count)],
        }
    )
