"""One face in many views: mirrored, and with the box, the camera and the light a little different.

A mirrored face has the opposite yaw and roll. Shifts, scale and rotation in the plane leave yaw and pitch as they are,
because roll is the last of the three turns.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter

from sfpn.photos.detector import MIRRORED_LANDMARKS
from sfpn.photos.pose import CROP_FACTOR, CROP_SIZE, MEAN
from sfpn.training.pose.faces import SQUARE_FACTOR, SQUARE_SIZE

SMALL_SIZE = 100  # px of a square for the small network: its crop of 64 px then has one pixel for each of the square's
TEACHER_SIZE = 113  # px of the base network's crop

WRONG_BOXES, WRONGNESS = 0.35, 5.0  # share of views of boxes that lie far beside the face, as they do for profiles
WRONG_LANDMARKS = 0.5  # of them: in such a box the detector puts the landmarks of some face, not those of this one

Rng = np.random.Generator


def teacher_view(square: np.ndarray, landmarks: np.ndarray, rng: Rng, jittered: bool, mirrored: bool):
    """A square (176, 176, 3) and its landmarks (5, 2) -> the base network's crop, and the landmarks in it."""
    picture = Image.fromarray(square)
    if mirrored:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        landmarks = (landmarks * [-1, 1])[MIRRORED_LANDMARKS]
    if not jittered:
        half, middle = CROP_FACTOR / SQUARE_FACTOR * SQUARE_SIZE / 2, SQUARE_SIZE / 2
        box = (middle - half, middle - half, middle + half, middle + half)
        return picture.resize((TEACHER_SIZE, TEACHER_SIZE), Image.Resampling.BILINEAR, box=box), landmarks
    scale = float(np.exp(np.clip(rng.normal(0, 0.06), -0.13, 0.13)))
    shift = rng.normal(0, 0.03, 2).clip(-0.08, 0.08)
    angle = math.radians(float(np.clip(rng.normal(0, 8), -20, 20)))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    per_pixel = CROP_FACTOR * scale / TEACHER_SIZE * SQUARE_SIZE / SQUARE_FACTOR * turn
    start = SQUARE_SIZE / 2 + shift * SQUARE_SIZE / SQUARE_FACTOR - per_pixel @ np.full(2, TEACHER_SIZE / 2)
    matrix = np.column_stack([per_pixel, start]).ravel()
    size, how = (TEACHER_SIZE, TEACHER_SIZE), Image.Resampling.BILINEAR
    return _in_other_light(picture.transform(size, Image.Transform.AFFINE, tuple(matrix), how), rng), (
        (landmarks - shift) @ turn / scale
    )


def _in_other_light(picture: Image.Image, rng: Rng) -> Image.Image:
    if rng.random() < 0.25:
        picture = picture.convert("L").convert("RGB")
    picture = ImageEnhance.Brightness(picture).enhance(float(np.exp(rng.normal(0, 0.2))))
    picture = ImageEnhance.Contrast(picture).enhance(float(np.exp(rng.normal(0, 0.15))))
    if rng.random() < 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.5))))
    if rng.random() < 0.5:
        cast = np.exp(rng.normal(0, 0.07, 3))
        picture = Image.fromarray((np.asarray(picture, np.float32) * cast).clip(0, 255).astype(np.uint8))
    return picture


def small_squares(squares: np.ndarray) -> torch.Tensor:
    """(N, 3, 100, 100) uint8 of the squares of faces."""
    size = (SMALL_SIZE, SMALL_SIZE)
    shrunk = [np.asarray(Image.fromarray(square).resize(size, Image.Resampling.BILINEAR)) for square in squares]
    return torch.from_numpy(np.stack(shrunk)).permute(0, 3, 1, 2).contiguous()


def random_views(squares: torch.Tensor, landmarks: torch.Tensor, chance: torch.Generator):
    """Views of B squares: crops (B, 3, 64, 64) less the mean, landmarks (B, 5, 2), mirrored (B,) and turned (B,).

    turned: radians by which the pictures were turned counter-clockwise after they were mirrored.
    """
    count = len(squares)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=chance)

    def happens(share: float) -> torch.Tensor:
        return torch.rand(count, generator=chance) < share

    mirrored, wrong = happens(0.5), happens(WRONG_BOXES)
    wide = torch.where(wrong, WRONGNESS, 1.0)
    scale = torch.exp((normal(count) * 0.06 * wide).clip(-0.4, 0.35))
    shift = (normal(count, 2) * 0.03 * wide[:, None]).clip(-0.35, 0.35)
    turned = torch.deg2rad((normal(count) * 10).clip(-30, 30))
    turn = torch.stack([turned.cos(), -turned.sin(), turned.sin(), turned.cos()], 1).view(count, 2, 2)
    window = torch.cat(
        [turn * (CROP_FACTOR / SQUARE_FACTOR * scale)[:, None, None], (shift * 2 / SQUARE_FACTOR)[..., None]], 2
    )
    pixels = squares.float()
    pixels = torch.where(mirrored[:, None, None, None], pixels.flip(3), pixels)
    grid = torch.nn.functional.affine_grid(window, [count, 3, CROP_SIZE, CROP_SIZE], align_corners=False)
    pixels = torch.nn.functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    points = torch.where(
        mirrored[:, None, None], (landmarks * torch.tensor([-1.0, 1.0]))[:, MIRRORED_LANDMARKS], landmarks
    )
    seen = (points - shift[:, None]) @ turn / scale[:, None, None]
    others = points[torch.randperm(count, generator=chance)]
    points = torch.where((wrong & happens(WRONG_LANDMARKS))[:, None, None], others, seen) + normal(count, 5, 2) * 0.01
    saturation = torch.where(happens(0.25), torch.zeros(count), torch.exp(normal(count) * 0.25).clip(0, 1.6))
    pixels = _recoloured(pixels, saturation, normal)
    blurred = happens(0.3)
    pixels[blurred] = _blurred(_blurred(pixels[blurred]))
    return pixels.clip(0, 255) - torch.tensor(MEAN).view(1, 3, 1, 1), points, mirrored, turned


def _recoloured(pixels: torch.Tensor, saturation: torch.Tensor, normal) -> torch.Tensor:
    count = len(pixels)
    grey = (pixels * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    pixels = grey + (pixels - grey) * saturation.view(-1, 1, 1, 1)
    mean = pixels.mean((1, 2, 3), keepdim=True)
    contrast, light, cast = (torch.exp(normal(count, n, 1, 1) * s) for n, s in ((1, 0.2), (1, 0.2), (3, 0.06)))
    return ((pixels - mean) * contrast + mean) * light * cast


def _blurred(pixels: torch.Tensor) -> torch.Tensor:
    one = torch.tensor([1.0, 2.0, 1.0]) / 4
    kernel = (one[:, None] * one).expand(3, 1, 3, 3)
    return torch.nn.functional.conv2d(torch.nn.functional.pad(pixels, (1, 1, 1, 1), "replicate"), kernel, groups=3)


def estimator_crops(squares: np.ndarray) -> np.ndarray:
    """(N, 64, 64, 3) uint8: what the estimator would cut out of the photos."""
    half, middle = CROP_FACTOR / SQUARE_FACTOR * SQUARE_SIZE / 2, SQUARE_SIZE / 2
    box, size = (middle - half, middle - half, middle + half, middle + half), (CROP_SIZE, CROP_SIZE)
    crops = [np.asarray(Image.fromarray(square).resize(size, Image.Resampling.BILINEAR, box=box)) for square in squares]
    return np.array(crops, np.uint8).reshape(-1, CROP_SIZE, CROP_SIZE, 3)
