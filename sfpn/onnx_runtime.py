"""ONNX Runtime without its telemetry: from 1.29 on it reports to its maker from the moment it is imported.

It does so unless an environment variable forbids it before the import; its own switch comes too late, because by then
an identifier of this device lies in the user's cache. Nothing else in this project imports ONNX Runtime.
"""

from __future__ import annotations

import os
from typing import Any

NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"


def onnx_runtime() -> Any:
    """The package onnxruntime, which reports nothing. Raises ModuleNotFoundError if it is not installed."""
    os.environ[NO_TELEMETRY] = "1"
    import onnxruntime

    return onnxruntime


def one_thread_session(encoded: bytes) -> Any:
    """A session of a network (an ONNX file) that computes on the thread that asks. Raises what ONNX Runtime raises."""
    runtime = onnx_runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # a pool of each session's own, which returns nothing to the system
    options.log_severity_level = 4  # fatal only: what it cannot do arrives as an error
    return runtime.InferenceSession(encoded, options, providers=["CPUExecutionProvider"])
