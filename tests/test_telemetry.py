"""ONNX Runtime, OpenVINO and nncf send nothing and write nothing when this package imports them.

What they would look up comes up to a minute after the import, so a short test cannot see it come.
The files that they write for it are there at once.
"""

from pathlib import Path

import pytest

from tests.forked import run_forked
from tests.tiny_models import save_tiny_cross_encoder

COMMON = """
import os, socket, sys

def watch(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect"):
        raise AssertionError(f"{event}: {arguments}")

assert not {"onnxruntime", "openvino", "nncf"} & set(sys.modules)
sys.addaudithook(watch)
from rerank_plugins import CrossEncoderScorer, compile_model
"""
USES = {
    "onnx": "CrossEncoderScorer('embedded', backend='onnx').warm_up()",
    "openvino": "CrossEncoderScorer('embedded', backend='openvino').warm_up()",
    "compile onnx": (
        "compile_model(sys.argv[1], 'bundle', backend='onnx')\n"
        "CrossEncoderScorer('bundle').warm_up()"
    ),
    "compile int8": (
        "compile_model(sys.argv[1], 'bundle', precision='int8', calibration=[('a', 'b')] * 4)\n"
        "CrossEncoderScorer('bundle').warm_up()"
    ),
    "the processor": "from rerank_plugins.backends.machine import cpu_has_bf16; cpu_has_bf16()",
}
AFTER = """
assert {"onnxruntime", "openvino"} & set(sys.modules)
print(os.environ.get("ORT_DISABLE_TELEMETRY"), "openvino_telemetry" in sys.modules)
"""


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_libraries_write_no_identity_and_look_nothing_up(use: str, tmp_path: Path) -> None:
    model = save_tiny_cross_encoder(tmp_path / "model")
    home, work = tmp_path / "home", tmp_path / "work"
    for folder in (home, work):
        folder.mkdir()
    environment = {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    done = run_forked(
        f"{COMMON}\n{use}\n{AFTER}",
        model,
        folder=work,
        ORT_DISABLE_TELEMETRY=None,
        **environment,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["None", "False"]  # as before: users' own imports are their own
    written = {path.relative_to(home).parts[0] for path in home.rglob("*") if path.is_file()}
    assert not written, sorted(map(str, home.rglob("*")))


@pytest.mark.parametrize("value", ["0", "1"])
def test_what_the_user_has_set_about_telemetry_stays(value: str) -> None:
    seen = (
        "import sys\n"
        "from importlib.abc import MetaPathFinder\n"
        "class Look(MetaPathFinder):\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'onnxruntime':\n"
        "            print(os.environ.get('ORT_DISABLE_TELEMETRY'))\n"
        "sys.meta_path.insert(0, Look())\n"
    )
    code = f"{COMMON}\n{seen}\n{USES['onnx']}\nprint(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = run_forked(code, ORT_DISABLE_TELEMETRY=value)
    assert done.stdout.split() == [value, value]
