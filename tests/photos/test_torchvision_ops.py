"""The stand-in for torchvision's non-maximum suppression, against a double loop; it is used only where needed."""

import subprocess
import sys

import numpy as np
import torch

from sfpn.photos.torchvision_ops import ensure_torchvision, non_maximum_suppression


def slow_nms(boxes, scores, bound):
    """Keep a box if no better kept one overlaps it by more than the bound."""
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(overlap(boxes[i], boxes[j]) <= bound for j in kept):
            kept.append(i)
    return kept


def overlap(a, b):
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / area


def test_same_as_a_double_loop():
    random = np.random.default_rng(0)
    for count in (0, 1, 2, 60):
        corners = random.uniform(0, 100, (count, 2))
        boxes = np.hstack([corners, corners + random.uniform(5, 60, (count, 2))]).astype(np.float32)
        scores = random.permutation(count).astype(np.float32)
        for bound in (0.3, 0.7):
            found = non_maximum_suppression(torch.from_numpy(boxes).reshape(-1, 4), torch.from_numpy(scores), bound)
            assert found.dtype == torch.int64
            assert found.tolist() == slow_nms(boxes.tolist(), scores.tolist(), bound)


def test_torchvision_nms_works_afterwards():
    ensure_torchvision()
    import torchvision

    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [50, 50, 60, 60]])
    assert torchvision.ops.nms(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5).tolist() == [1, 2]


def test_nothing_is_patched_where_the_operators_load():
    script = (
        "import sfpn.photos.torchvision_ops as t, sys\n"
        "t._compiled_operators_load = lambda package: True\n"
        "assert t.ensure_torchvision() is False\n"
        "assert 'torchvision' not in sys.modules\n"
        "import torch\n"
        "assert not hasattr(torch.ops.torchvision, 'nms')\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
