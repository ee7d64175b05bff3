"""Geometry to pixels: what each pixel shows (where, which way it faces, which colour), before any light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfpn.photos.turning.geometry import grid_triangles
from sfpn.photos.turning.raster import rasterise, splat

from .camera import Camera
from .mesh import MATERIALS, Patch, Strands, grid_normals

HAIR_SPACING = 0.105  # cm between the points that draw a strand


@dataclass(frozen=True)
class Scene:
    """All patches and strands of a picture, joined: vertices in room coordinates (cm)."""

    vertices: np.ndarray  # (V, 3)
    normals: np.ndarray  # (V, 3)
    albedo: np.ndarray  # (V, 3)
    gloss: np.ndarray  # (V,)
    material: np.ndarray  # (V,) index into MATERIALS
    cut: np.ndarray  # (V,)
    triangles: np.ndarray  # (T, 3)
    closed: np.ndarray  # (T,) whether only the front of a triangle can be seen
    hair_points: np.ndarray  # (N, 3)
    hair_segment: np.ndarray  # (N,) row of the next three that a point belongs to
    hair_tangents: np.ndarray  # (M, 3)
    hair_albedo: np.ndarray  # (M, 3)
    hair_shine: np.ndarray  # (M,)


@dataclass(frozen=True)
class Surface:
    """One row per covered pixel of an S x S picture; `direction` is the normal, or the tangent where it is hair."""

    size: int
    pixel: np.ndarray  # (P,) flat pixel numbers
    position: np.ndarray  # (P, 3)
    direction: np.ndarray  # (P, 3)
    albedo: np.ndarray  # (P, 3)
    gloss: np.ndarray  # (P,)
    material: np.ndarray  # (P,)
    depth: np.ndarray  # (S, S), inf where nothing is


def join(patches: list[Patch], strands: list[Strands]) -> Scene:
    """Put all geometry into one set of arrays."""
    start, triangles, closed = 0, [], []
    for p in patches:
        triangles.append(grid_triangles(*p.points.shape[:2]) + start)
        closed.append(np.full(len(triangles[-1]), p.material in ("skin", "eye")))
        start += p.points.shape[0] * p.points.shape[1]
    flat = [(p.points.reshape(-1, 3), grid_normals(p.points).reshape(-1, 3)) for p in patches]
    cuts = [np.ones(p.gloss.size, np.float32) if p.cut is None else p.cut.ravel() for p in patches]
    return Scene(
        np.concatenate([f[0] for f in flat]),
        np.concatenate([f[1] for f in flat]).astype(np.float32),
        np.concatenate([p.albedo.reshape(-1, 3) for p in patches]),
        np.concatenate([p.gloss.ravel() for p in patches]),
        np.concatenate([np.full(p.gloss.size, MATERIALS.index(p.material), np.int8) for p in patches]),
        np.concatenate(cuts).astype(np.float32),
        np.concatenate(triangles),
        np.concatenate(closed),
        *_dense_hair(strands),
    )


def _dense_hair(strands: list[Strands]) -> tuple[np.ndarray, ...]:
    """Points close enough together to draw strands without gaps, the segment of each, and the segments' attributes."""
    points, owner, tangents, albedo, shine, first = [], [], [], [], [], 0
    for s in strands:
        step = np.diff(s.points, axis=1)
        length = np.sqrt(np.einsum("nki,nki->nk", step, step))
        parts = int(np.clip(np.ceil(length.max() / HAIR_SPACING), 1, 14))
        t = (np.arange(parts, dtype=np.float32) / parts)[:, None]
        points.append((s.points[:, :-1, None] + t * step[:, :, None]).reshape(-1, 3))
        owner.append(first + np.repeat(np.arange(length.size, dtype=np.int32), parts))
        tangents.append((step / (length[..., None] + 1e-9)).reshape(-1, 3))
        albedo.append(np.repeat(s.albedo, length.shape[1], axis=0))
        shine.append(np.full(length.size, s.shine, np.float32))
        first += length.size
    return tuple(np.concatenate(part) for part in (points, owner, tangents, albedo, shine))


def see(scene: Scene, camera: Camera) -> Surface:
    """Find what every pixel of the camera's picture shows."""
    hits = rasterise(camera.project(scene.vertices), scene.triangles, camera.size, scene.cut, scene.closed)
    corner = scene.triangles[hits.triangle]
    mixed = {k: _blend(getattr(scene, k), corner, hits.weights) for k in ("vertices", "normals", "albedo", "gloss")}
    projected = camera.project(scene.hair_points)
    pixel, hair = splat(projected, hits.depth)
    bare = np.ones(hits.depth.size, bool)
    bare[pixel] = False
    bare = bare[hits.pixel]
    strand = scene.hair_segment[hair]
    depth = hits.depth.copy()
    depth.ravel()[pixel] = projected[hair, 2]
    return Surface(
        camera.size,
        np.concatenate([hits.pixel[bare], pixel]),
        np.concatenate([mixed["vertices"][bare], scene.hair_points[hair]]),
        np.concatenate([mixed["normals"][bare], scene.hair_tangents[strand]]),
        np.concatenate([mixed["albedo"][bare], scene.hair_albedo[strand]]),
        np.concatenate([mixed["gloss"][bare], scene.hair_shine[strand]]),
        np.concatenate([scene.material[corner[bare, 0]], np.full(len(pixel), MATERIALS.index("hair"))]),
        depth,
    )


def _blend(values: np.ndarray, corner: np.ndarray, weights: np.ndarray) -> np.ndarray:
    if values.ndim == 1:
        return np.einsum("pk,pk->p", weights, values[corner])
    return np.einsum("pk,pki->pi", weights, values[corner])
