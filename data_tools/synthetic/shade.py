"""Light on surfaces: shadow map, ambient occlusion, skin that scatters, glossy eyes and hair.

Hair: Kajiya and Kay, "Rendering fur with three dimensional textures" (1989). Occlusion from the depth picture:
Luft, Colditz and Deussen, "Image enhancement by unsharp masking the depth buffer" (2006).
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, zoom

from sfpn.photos.turning.raster import splat

from .light import Light, unit
from .mesh import MATERIALS
from .surface import Scene, Surface

SHADOW_SIZE, SHADOW_FIELD = 210, 42.0  # pixels, cm
SKIN, EYE, CLOTH, FRAME, MOUTH, HAIR = range(len(MATERIALS))
WRAP = np.array([0.30, 0.14, 0.09])  # how far light bleeds past the terminator of skin, per colour
SCATTER_CM = (0.17, 0.07, 0.035)  # blur of light inside skin, per colour


def shadow_map(scene: Scene, toward: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth picture seen from the light, and the matrix (3, 3) into the light's axes."""
    right = unit(np.cross([0.0, 1.0, 0.01], toward))
    axes = np.stack([right, np.cross(toward, right), toward]).astype(np.float32)
    depth = np.full((SHADOW_SIZE, SHADOW_SIZE), np.inf, np.float32)
    points = _light_pixels(np.concatenate([scene.vertices[scene.cut >= 0], scene.hair_points[::3]]), axes)
    pixel, seen = splat(points, depth)  # vertices lie closer together than the pixels of this picture
    depth.ravel()[pixel] = points[seen, 2]
    return np.where(np.isinf(depth), 200.0, depth), axes


def _light_pixels(points: np.ndarray, axes: np.ndarray) -> np.ndarray:
    local = points @ axes.T
    scale = np.float32(SHADOW_SIZE / SHADOW_FIELD)
    return np.stack(
        [SHADOW_SIZE / 2 + local[:, 0] * scale, SHADOW_SIZE / 2 - local[:, 1] * scale, 100 - local[:, 2]], -1
    )


def lit_share(scene: Scene, surface: Surface, toward: np.ndarray) -> np.ndarray:
    """Share 0-1 (P,) of the key light that reaches each pixel, with soft borders and hair that lets some through."""
    depth, axes = shadow_map(scene, toward)
    places = _light_pixels(surface.position, axes)
    hair = surface.material == HAIR
    bias, fade = np.where(hair, 0.10, 0.28), np.where(hair, 0.9, 0.3)
    total = np.zeros(len(places))
    for dx, dy in ((-1.2, -0.5), (0.5, -1.2), (1.2, 0.5), (-0.5, 1.2), (0, 0)):
        there = map_coordinates(depth, [places[:, 1] - 0.5 + dy, places[:, 0] - 0.5 + dx], order=1, mode="nearest")
        total += np.exp(-np.maximum(places[:, 2] - there - bias, 0) / fade)
    return total / 5


def occlusion(surface: Surface, pixels_per_cm: float) -> np.ndarray:
    """Ambient light 0-1 (P,): less where a pixel lies behind its surroundings."""
    coarse = surface.depth[::2, ::2]
    there = np.isfinite(coarse)
    coarse = np.where(there, coarse, 0)
    nearest = np.minimum(surface.depth, 1e3)
    open_share = np.ones(surface.depth.shape, np.float32)
    for reach, strength in ((0.25, 1.6), (0.8, 0.8), (2.2, 0.28)):
        sigma = reach * pixels_per_cm / 2
        weight = gaussian_filter(there.astype(np.float32), sigma) + 1e-3
        around = zoom(gaussian_filter(coarse, sigma) / weight, 2, order=1, grid_mode=True, mode="nearest")
        open_share *= np.exp(-strength * np.clip(nearest - around, 0, 2))
    return open_share.ravel()[surface.pixel].clip(0.12, 1)


def shade(scene: Scene, surface: Surface, light: Light, eye: np.ndarray, pixels_per_cm: float) -> np.ndarray:
    """Linear RGB (S, S, 3) of the picture, 0 where nothing is; `eye` (3,) is the camera's place."""
    key, fill = unit(light.key_direction), unit(light.fill_direction)
    view = eye - surface.position
    view /= np.linalg.norm(view, axis=1, keepdims=True)
    hair = surface.material == HAIR
    normal = surface.direction / (np.linalg.norm(surface.direction, axis=1, keepdims=True) + 1e-9)
    flip = (np.einsum("pi,pi->p", normal, view) < 0) & ~hair
    normal = np.where(flip[:, None], -normal, normal)
    share = lit_share(scene, surface, key)
    open_share = occlusion(surface, pixels_per_cm)
    arriving = _diffuse(surface, normal, view, light, key, fill, share, open_share)
    arriving = _scatter(surface, arriving, pixels_per_cm)
    colour = surface.albedo * arriving + _gloss(surface, normal, view, light, key, fill, share, open_share)
    picture = np.zeros((surface.size * surface.size, 3))
    picture[surface.pixel] = colour
    return picture.reshape(surface.size, surface.size, 3)


def _diffuse(surface, normal, view, light, key, fill, share, open_share) -> np.ndarray:
    """Light (P, 3) that arrives at each pixel and is scattered back."""
    skin = (surface.material == SKIN)[:, None]
    hair = (surface.material == HAIR)[:, None]
    facing = (normal @ key)[:, None]
    wrap = np.where(skin, WRAP, 0.05)
    direct = np.maximum((facing + wrap) / (1 + wrap), 0) ** np.where(skin, 1.25, 1.0)
    beside = np.maximum(((normal @ fill)[:, None] + 0.4) / 1.4, 0)
    upward = normal[:, 1:2] * 0.5 + 0.5
    radial = view * 0.6 + surface.position / (np.linalg.norm(surface.position, axis=1, keepdims=True) + 1e-6)
    radial /= np.linalg.norm(radial, axis=1, keepdims=True)
    sine = np.sqrt(np.maximum(1 - facing**2, 0)) * np.clip((radial @ key)[:, None] * 0.75 + 0.45, 0, 1)
    direct = np.where(hair, sine, direct)
    beside = np.where(hair, np.maximum(((radial @ fill)[:, None] + 0.4) / 1.4, 0), beside)
    upward = np.where(hair, radial[:, 1:2] * 0.5 + 0.5, upward)
    around = upward * np.array(light.sky) + (1 - upward) * np.array(light.ground)
    soft = open_share[:, None] ** np.where(skin, np.array([0.8, 1.05, 1.15]), 1.3)
    return direct * share[:, None] * np.array(light.key) + (beside * np.array(light.fill) + around) * soft


def _scatter(surface: Surface, arriving: np.ndarray, pixels_per_cm: float) -> np.ndarray:
    """Blur light within skin, red the furthest."""
    skin = surface.material == SKIN
    shape = (surface.size, surface.size)
    mask = np.zeros(shape[0] * shape[1], np.float32)
    mask[surface.pixel[skin]] = 1
    out = arriving.copy()
    for c, reach in enumerate(SCATTER_CM):
        layer = np.zeros_like(mask)
        layer[surface.pixel[skin]] = arriving[skin, c]
        sigma = reach * pixels_per_cm
        blurred = gaussian_filter(layer.reshape(shape), sigma) / (gaussian_filter(mask.reshape(shape), sigma) + 1e-4)
        out[skin, c] = blurred.ravel()[surface.pixel[skin]]
    return out


def _gloss(surface, normal, view, light, key, fill, share, open_share) -> np.ndarray:
    """Light (P, 3) mirrored at the surface."""
    total = np.zeros((len(normal), 3))
    for direction, colour, shown in ((key, light.key, share), (fill, light.fill, open_share)):
        half = direction + view
        half /= np.linalg.norm(half, axis=1, keepdims=True)
        aligned = np.einsum("pi,pi->p", normal, half)
        strength = _lobe(surface, aligned.clip(-1, 1), np.einsum("pi,pi->p", view, half))
        total += (strength * shown)[:, None] * np.array(colour)
    hair = surface.material == HAIR
    total[hair] *= 0.35 + 2.2 * surface.albedo[hair]
    return total


def _lobe(surface: Surface, aligned: np.ndarray, facing: np.ndarray) -> np.ndarray:
    """Strength (P,) of the mirrored light by material, for the cosine `aligned` of normal (or tangent) and half way."""
    strength = np.zeros(len(aligned))
    for material in np.unique(surface.material):
        here = surface.material == material
        strength[here] = _lobe_of(material, aligned[here], facing[here])
    return strength * surface.gloss


def _lobe_of(material: int, aligned: np.ndarray, facing: np.ndarray) -> np.ndarray:
    up = np.maximum(aligned, 0)
    if material == SKIN:
        return (0.11 * up**14 + 0.10 * up**48) * (0.35 + 4.0 * (1 - facing) ** 4)
    if material == EYE:
        return 0.05 * up**20 + 3.0 * up**350
    if material == HAIR:
        sine = np.maximum(1 - aligned**2, 0)
        return 0.175 * sine**30 + 0.10 * sine**6
    return 0.6 * up**40 if material == FRAME else 0.05 * up**12
