"""Signals that Python handles, after OpenVINO was used on the thread that gets them."""

import subprocess
import sys
from pathlib import Path

import pytest

TWO_MODELS = """
from rerank_plugins.models.references import EMBEDDED_FOLDER
from rerank_plugins.backends.graphs.described import described_graph
from rerank_plugins.backends.openvino import OpenVinoForward

graph, _ = described_graph(EMBEDDED_FOLDER, "embedded")
held = [OpenVinoForward(graph, graph.inputs) for _ in range(2)]
"""
BROKEN_OFF = """
import nncf
from rerank_plugins import compile_model

class Broken(nncf.Dataset):
    def get_inference_data(self, *args):
        yield from list(super().get_inference_data(*args))[:2]
        raise KeyboardInterrupt

nncf.Dataset = Broken
try:
    compile_model("embedded", "bundle", precision="int8", calibration=[("red fox", "the fox")] * 4)
except KeyboardInterrupt as error:
    held = [error]
"""
SIGNAL = """
import gc, os, signal, threading

def release():
    held.clear()
    gc.collect()

signal.signal(signal.SIGTERM, lambda *_: print("handled"))
other = threading.Thread(target=release)
other.start()
other.join()
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="OpenVINO moves signal stacks on Linux alone")
@pytest.mark.parametrize("use", [TWO_MODELS, BROKEN_OFF], ids=["two models", "int8 broken off"])
def test_a_signal_is_handled_after_another_thread_released_the_model(
    use: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{use}\nassert held\n{SIGNAL}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
