"""Photo and face box -> the crop a network was trained on -> its input tensor.

One code path for PIL images, arrays and paths. What differs between networks (geometry, size, enlargement, means)
is data that travels in the card beside the weights; nothing about it is decided here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from sfpn.errors import UserError
from sfpn.photos.detector import Face
from sfpn.photos.photo import decode_photo

# Where the five landmarks lie in a 112x112 crop of the ArcFace family (InsightFace, EdgeFace, AdaFace ...).
REFERENCE_LANDMARKS_112 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
GEOMETRIES = ("box", "five_point")
PADDINGS = ("edge", "black")
CHANNELS = ("RGB", "BGR")
Cut = tuple[str, int, float, str]  # what two networks with the same crops have in common, see Preprocess.cut


@dataclass(frozen=True)
class Preprocess:
    """How a face becomes network input: (pixels RGB 0-255 - mean) / scale, the channels in the order of `channels`."""

    # box: square around the face box; five_point: similarity transform to the reference landmarks
    geometry: str = "box"
    size: int = 113  # px, side of the crop
    crop_factor: float = 1.35  # box geometry: side of the square over the shorter side of the face box
    padding: str = "edge"  # beyond the photo's border: repeat the edge, or black
    mean: tuple[float, float, float] = (131.0912, 103.8827, 91.4953)
    scale: float = 1.0
    channels: str = "RGB"  # order in which the network gets them; `mean` is in the order RGB whatever this says

    def __post_init__(self) -> None:
        known = self.geometry in GEOMETRIES and self.padding in PADDINGS and self.channels in CHANNELS
        if not known or self.size < 1 or not self.scale:
            raise ValueError(f"not a preprocessing this project knows: {self}")

    @property
    def cut(self) -> Cut:
        """All that a crop depends on: networks that agree in it see the same crop of a face."""
        return self.geometry, self.size, self.crop_factor, self.padding

    def to_json(self) -> dict:
        return asdict(self) | {"mean": list(self.mean)}

    @classmethod
    def from_json(cls, record: dict) -> Preprocess:
        """Inverse of to_json. Raises ValueError for unknown fields or values."""
        try:
            values: dict[str, Any] = record | {"mean": tuple(float(v) for v in record["mean"])}
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise ValueError(f"incomplete preprocessing: {error}") from error

    def crop(self, photo: Image.Image | np.ndarray | Path | str, face: Face | None) -> Image.Image:
        """The size x size RGB crop of a face; the whole photo, squeezed to a square, if `face` is None."""
        image = as_rgb(photo)
        if face is None:
            return image.resize((self.size, self.size), Image.Resampling.LANCZOS)
        if self.geometry == "five_point":
            return align_five_points(image, face.landmarks_xy, self.size, self.padding)
        return crop_square(image, face.center_xy, self.crop_factor * face.shorter_side, self.size, self.padding)

    def tensor(self, crops: list[Image.Image]) -> torch.Tensor:
        """(B, 3, size, size) float32 network input of B crops. Raises ValueError for a crop of another size."""
        for crop in crops:
            if crop.size != (self.size, self.size):
                raise ValueError(f"a crop must be {self.size}x{self.size}, got {crop.size}")
        pixels = np.stack([np.asarray(crop.convert("RGB"), np.float32) for crop in crops])
        pixels = (pixels - np.array(self.mean, np.float32)) / np.float32(self.scale)
        pixels = pixels[..., ::-1].copy() if self.channels == "BGR" else pixels
        return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def as_rgb(photo: Image.Image | np.ndarray | Path | str) -> Image.Image:
    """A picture as an RGB PIL image. Arrays are (H, W, 3) or (H, W) uint8. Raises ValueError for other arrays.

    Files are decoded as everywhere, upright by their EXIF; raises UserError for those that cannot be read.
    """
    if isinstance(photo, np.ndarray):
        if photo.dtype != np.uint8 or photo.ndim not in (2, 3):
            raise ValueError(f"a photo array must be (H, W[, 3]) uint8, got {photo.shape} {photo.dtype}")
        return Image.fromarray(photo).convert("RGB")
    if isinstance(photo, (str, Path)):
        return decode_photo(Path(photo).read_bytes(), str(photo), min_side=1).image
    return photo if photo.mode == "RGB" else photo.convert("RGB")


def crop_square(
    image: Image.Image, center_xy: tuple[float, float], side: float, size: int, padding: str
) -> Image.Image:
    """The square of `side` px around a centre, padded beyond the border, resampled with antialiasing to size x size."""
    if side <= 0:
        raise UserError("the face box is empty; choose another face or another photo")
    left, top = center_xy[0] - side / 2, center_xy[1] - side / 2
    canvas, (dx, dy) = _pad_to_hold(image, (left, top, left + side, top + side), padding)
    box = (left + dx, top + dy, left + side + dx, top + side + dy)
    return canvas.resize((size, size), Image.Resampling.BILINEAR, box=box)


def align_five_points(image: Image.Image, landmarks_xy: np.ndarray, size: int, padding: str) -> Image.Image:
    """The crop in which the five landmarks come closest (least squares) to the reference of the ArcFace family.

    Shrinking first and then sampling bilinearly at about one pixel a pixel is the antialiasing.
    """
    inverse = similarity_transform(REFERENCE_LANDMARKS_112 * size / 112, np.asarray(landmarks_xy, np.float64))
    step = float(np.hypot(inverse[0, 0], inverse[1, 0]))  # photo pixels per crop pixel
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]]) @ inverse[:, :2].T + inverse[:, 2]
    low, high = np.floor(corners.min(0)) - 2, np.ceil(corners.max(0)) + 2
    canvas, shift = _pad_to_hold(image, (*low, *high), padding)
    window = canvas.crop(tuple((np.array([*low, *high]) + [*shift, *shift]).astype(int)))
    shrink = max(1.0, step)
    small = window.resize([max(1, round(v / shrink)) for v in window.size], Image.Resampling.BOX)
    ratio = np.array(small.size) / np.array(window.size)
    matrix = np.column_stack([inverse[:, :2], inverse[:, 2] - low]) * ratio[:, None]
    return small.transform((size, size), Image.Transform.AFFINE, tuple(matrix.ravel()), Image.Resampling.BILINEAR)


def similarity_transform(source_xy: np.ndarray, target_xy: np.ndarray) -> np.ndarray:
    """(2, 3) matrix of the rotation, uniform scale and shift that takes source (N, 2) closest to target (N, 2).

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991.
    """
    source_mean, target_mean = source_xy.mean(0), target_xy.mean(0)
    source, target = source_xy - source_mean, target_xy - target_mean
    u, singular, vt = np.linalg.svd(target.T @ source)
    sign = np.array([1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    scale = (singular * sign).sum() / (source**2).sum()
    return np.column_stack([scale * rotation, target_mean - scale * rotation @ source_mean])


def _pad_to_hold(
    image: Image.Image, box_xyxy: tuple[float, float, float, float], padding: str
) -> tuple[Image.Image, tuple[int, int]]:
    """The picture, enlarged where needed so that the box lies inside, and how far its origin moved (x, y)."""
    left, top = (int(max(0, np.ceil(-v))) for v in box_xyxy[:2])
    right, bottom = (int(max(0, np.ceil(v - side))) for v, side in zip(box_xyxy[2:], image.size, strict=True))
    if not (left or top or right or bottom):
        return image, (0, 0)
    beside, below = left + image.width, top + image.height
    canvas = Image.new("RGB", (beside + right, below + bottom))
    canvas.paste(image, (left, top))
    if padding == "edge":  # columns first, so that the corners are in the rows
        _repeat(canvas, (left, top, left + 1, below), (0, top, left, below))
        _repeat(canvas, (beside - 1, top, beside, below), (beside, top, canvas.width, below))
        _repeat(canvas, (0, top, canvas.width, top + 1), (0, 0, canvas.width, top))
        _repeat(canvas, (0, below - 1, canvas.width, below), (0, below, *canvas.size))
    return canvas, (left, top)


def _repeat(canvas: Image.Image, line: tuple[int, int, int, int], onto: tuple[int, int, int, int]) -> None:
    """Fill one part of a canvas (left, top, right, bottom) with a row or column of it."""
    size = onto[2] - onto[0], onto[3] - onto[1]
    if all(size):
        canvas.paste(canvas.resize(size, Image.Resampling.NEAREST, box=line), onto[:2])
