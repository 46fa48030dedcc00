"""Recognises that a batch was too big for memory; each runtime has messages of its own."""

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
    """Whether a smaller batch may succeed after this error.

    It may after a `MemoryError` and any error whose message speaks of a failed allocation. Except
    for torch on CUDA, runtimes raise plain `RuntimeError`s or unrelated classes of their own.
    """
    return isinstance(error, MemoryError) or bool(_WORDS.search(str(error)))
