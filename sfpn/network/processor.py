"""A SqueezeFacePoseNet computed by ONNX Runtime on the processor, where that package is installed.

Faces are computed one by one, each on one thread, on as many threads as torch would use: their maps stay in the cache
of a core, no thread waits for another within a face, and all calls share the threads, however many there are at once.
"""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import torch

from sfpn.network.model import INPUT_SIZE, SFPN
from sfpn.network.onnx_graph import INPUT, OUTPUT, encode
from sfpn.onnx_runtime import one_thread_session

AGREES = 1e-3  # of the largest number of a descriptor: how far it may be from PyTorch's


class ProcessorNetwork:
    """The network as a function of a batch. Calls from several threads share the threads of the process."""

    def __init__(self, network: SFPN) -> None:
        """Raises ImportError where ONNX Runtime is not installed, and what it raises where it cannot be used."""
        self._session = one_thread_session(encode(network))

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """(B, 3, 113, 113) float32 as the network takes them -> descriptors (B, D) float32."""
        pool = _threads(torch.get_num_threads(), os.getpid())
        return np.concatenate(list(pool.map(self._one, np.split(faces, len(faces)))))

    def _one(self, face: np.ndarray) -> np.ndarray:
        return self._session.run([OUTPUT], {INPUT: face})[0]


def processor_network(network: SFPN) -> ProcessorNetwork | None:
    """The network computed by ONNX Runtime; None where it is not installed or does not compute what PyTorch does."""
    try:
        made = ProcessorNetwork(network)
        found = made(probe().numpy())
    except ImportError:
        return None
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors have no common class
        logging.getLogger(__name__).warning("ONNX Runtime cannot be used, PyTorch computes: %s", error)
        return None
    with torch.inference_mode():
        expected = network(probe()).numpy()
    if np.abs(found - expected).max() <= AGREES * np.abs(expected).max():
        return made
    logging.getLogger(__name__).warning("ONNX Runtime computes other descriptors on this processor: PyTorch does it")
    return None


def probe() -> torch.Tensor:
    """(1, 3, 113, 113): noise of the size of pixels less a mean."""
    return torch.rand(1, 3, INPUT_SIZE, INPUT_SIZE, generator=torch.Generator().manual_seed(0)) * 255 - 110


@cache
def _threads(count: int, process: int) -> ThreadPoolExecutor:
    """Those of a process (by its number: a fork has none of its parent's threads)."""
    return ThreadPoolExecutor(count, thread_name_prefix=f"embed-{process}")
