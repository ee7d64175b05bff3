"""The average of the drawn people's heads, for turning the heads of photos: what sfpn/photos/turning has as a file.

python -m data_tools.synthetic.average_head
"""

from __future__ import annotations

import sys

import numpy as np

from data_tools.synthetic.identity import SHAPE
from data_tools.synthetic.relief import lips
from data_tools.synthetic.scalp import LINE_Y, LINE_Z
from data_tools.synthetic.shape import CENTRE, EYE_RADIUS, trace
from sfpn.files import whole_file
from sfpn.photos.turning.geometry import ramp
from sfpn.photos.turning.head import FILE

KEEP_EVERY = 3  # of the drawn heads' rows and columns: coarse enough to be quick


def average_head() -> dict[str, np.ndarray]:
    """The arrays of the file, float32: `points` (H, W, 3) cm of the bald head, `hair` (H, W), `landmarks`, `centre`."""
    shape = {name: mean for name, (mean, _, _) in SHAPE.items()}
    half = trace(shape)
    points = np.concatenate([half[:, :0:-1] * np.array([-1, 1, 1], np.float32), half], axis=1)
    front = ramp(points[..., 2], 2.0, 4.5)
    points[..., 2] += front * lips(points, shape)
    landmarks = _landmarks(points, shape)
    middle = points.shape[1] // 2
    columns = np.r_[np.arange(middle, -1, -KEEP_EVERY)[::-1], np.arange(middle, points.shape[1], KEEP_EVERY)[1:]]
    columns[[0, -1]] = 0, points.shape[1] - 1
    points = points[::KEEP_EVERY, columns]
    hair = ramp(points[..., 1] - np.interp(points[..., 2], LINE_Z, LINE_Y), 0.0, 2.0)
    arrays = {"points": points, "hair": hair, "landmarks": landmarks, "centre": np.asarray(CENTRE)}
    return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}


def _landmarks(points: np.ndarray, shape: dict[str, float]) -> np.ndarray:
    """Where MTCNN puts its five points on a face seen from the front."""
    eyes = [[side * shape["eye_distance"], shape["eye_height"], shape["eye_depth"] + EYE_RADIUS] for side in (-1, 1)]
    tip = points.reshape(-1, 3)[np.argmax(points[..., 2])]
    corner = np.array([shape["mouth_width"], shape["mouth_height"]])
    at = np.argmin(np.square(points[..., :2] - corner).sum(-1) + 100 * (points[..., 2] < 0))
    depth = points.reshape(-1, 3)[at, 2]
    corners = [[side * corner[0], corner[1], depth] for side in (-1, 1)]
    return np.array([*eyes, [0.0, tip[1], tip[2]], *corners], np.float32)


def main() -> int:
    """Write the file."""
    from safetensors.numpy import save_file

    with whole_file(FILE) as temporary:
        save_file(average_head(), temporary)
    print(f"{FILE.name}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
