"""Whether a failed batch was too big for memory; each runtime says it in words of its own."""

import re

_WORDS = re.compile(
    r"out of memory"  # torch on CUDA and MPS, CUDA itself, ONNX Runtime on CUDA
    r"|(can't|cannot|failed to) allocate|not enough memory"  # torch and ONNX Runtime on a CPU
    r"|bad_alloc|bad allocation"  # C++ in OpenVINO and ONNX Runtime
    r"|smaller than requested bytes"  # ONNX Runtime's arena
    r"|CUBLAS_STATUS_ALLOC_FAILED"
    r"|CL_OUT_OF_RESOURCES|CL_OUT_OF_HOST_MEMORY|CL_MEM_OBJECT_ALLOCATION_FAILURE",  # OpenVINO, GPU
    re.IGNORECASE,
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a smaller batch may succeed where this error was raised.

    `MemoryError`, and any other error that talks of a failed allocation: apart from torch on CUDA
    the runtimes raise plain `RuntimeError`s, or classes of their own without a common base.
    """
    return isinstance(error, MemoryError) or bool(_WORDS.search(str(error)))
