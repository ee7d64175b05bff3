"""Makes `import torchvision` work where its compiled operators cannot be loaded, and does nothing where they can.

facenet-pytorch imports torchvision and uses one operator of it, non-maximum suppression. torchvision's wheel is
compiled against one build of torch; beside another build (a CPU-only one, say) its library does not load and then
the import itself fails with "operator torchvision::nms does not exist". In that case, and only then, the operator
is defined here before torchvision is imported.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import torch

# The operators that torchvision describes at import; only nms is ever called by this project.
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@functools.cache
def ensure_torchvision() -> bool:
    """Call before importing anything that imports torchvision. True if the operators had to be supplied.

    Raises ModuleNotFoundError when torchvision is not installed.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("torchvision is not installed; run: pip install -r requirements.txt")
    if _compiled_operators_load(Path(spec.origin).parent):
        return False
    _define_operators()
    import torchvision.extension

    torchvision.extension._has_ops = lambda: True
    return True


def _compiled_operators_load(package: Path) -> bool:
    for library in package.glob("_C*"):
        try:
            torch.ops.load_library(str(library))
        except (OSError, RuntimeError):
            continue
        return True
    return False


@functools.cache
def _define_operators() -> torch.library.Library:
    library = torch.library.Library("torchvision", "FRAGMENT")  # cached: the operators live as long as this object
    for schema in _SCHEMAS:
        library.define(schema)
    library.impl("nms", non_maximum_suppression, "CPU")
    return library


def non_maximum_suppression(boxes_xyxy: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Indices (int64) of the boxes kept, best score first: a box goes if its IoU with a better one exceeds the bound.

    boxes_xyxy: (N, 4), scores: (N,). Same contract as torchvision.ops.nms.
    """
    left, top, right, bottom = boxes_xyxy.double().numpy().T
    areas = (right - left) * (bottom - top)
    order = scores.argsort(descending=True, stable=True).numpy()
    keep = []
    while order.size:
        best, rest = order[0], order[1:]
        keep.append(int(best))
        width = (right[rest].clip(max=right[best]) - left[rest].clip(min=left[best])).clip(min=0)
        height = (bottom[rest].clip(max=bottom[best]) - top[rest].clip(min=top[best])).clip(min=0)
        intersection = width * height
        order = rest[intersection <= iou_threshold * (areas[rest] + areas[best] - intersection)]
    return torch.tensor(keep, dtype=torch.int64)
