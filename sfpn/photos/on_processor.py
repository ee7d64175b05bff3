"""Small networks computed by ONNX Runtime on the processor, where that package is installed.

PyTorch prepares code anew for every size of its inputs, of which a detector has many, and spends more on each layer of
a tiny network than on its multiplications. Outputs are the same but for rounding, as between two kinds of processors.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from sfpn.onnx_runtime import one_thread_session

AT_ONCE = 4  # windows, whose maps then stay in the cache of a core
AGREES = 1e-4  # how far an output may be from PyTorch's


class OnProcessor(nn.Module):
    """A network whose outputs ONNX Runtime computes, on the thread that asks."""

    def __init__(self, network: nn.Module, session: Any) -> None:
        super().__init__()
        self.network, self._session = network, session
        self._names = [taken.name for taken in session.get_inputs()]

    def forward(self, *inputs: torch.Tensor) -> Any:
        """Batches -> what the network gives: a tensor, or a tuple of them."""
        some = zip(*(each.contiguous().split(AT_ONCE) for each in inputs), strict=True)
        fed = ({name: part.numpy() for name, part in zip(self._names, parts, strict=True)} for parts in some)
        outputs = zip(*(self._session.run(None, parts) for parts in fed), strict=True)
        first, *others = (torch.from_numpy(np.concatenate(output)) for output in outputs)
        return (first, *others) if others else first


@torch.inference_mode()
def on_processor(
    network: nn.Module, encode: Callable[[Any], bytes], probes: Sequence[torch.Tensor], does: str
) -> nn.Module:
    """The network on ONNX Runtime; as it is where that is not installed or does not compute what PyTorch does.

    encode: gives the network's ONNX file, with its inputs in the order of `forward`. probes: inputs to compare both on.
    does: what PyTorch then does, for the log.
    """
    try:
        made = OnProcessor(network, one_thread_session(encode(network)))
        found, expected = _all_of(made(*probes)), _all_of(network(*probes))
    except ImportError:
        return network
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors have no common class
        logging.getLogger(__name__).warning("ONNX Runtime cannot be used, PyTorch %s: %s", does, error)
        return network
    if all(float((a - b).abs().max()) <= AGREES for a, b in zip(found, expected, strict=True)):
        return made
    logging.getLogger(__name__).warning("ONNX Runtime computes otherwise on this processor: PyTorch %s", does)
    return network


def _all_of(outputs: Any) -> tuple[torch.Tensor, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)
