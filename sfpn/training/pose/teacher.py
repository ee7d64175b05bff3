"""The teacher: yaw and pitch from the maps of the base network, whose layer `fire8` tells poses apart best.

What it learns from is little and flawed, so the labels are worked on first. People on a rig hold their heads turned by
up to 30 degrees against it, in all directions alike: what a model trained on the others sees of a person is half of the
correction. Photos labelled "profile" have no pitch: a first teacher gives it to them, the second one learns from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from sfpn.network import checkpoint
from sfpn.training.pose.faces import EXACT, POSED, RIG, WEAK_YAW_BELOW, PosedFaces
from sfpn.training.pose.views import teacher_view

LAYER, GRID = "fire8", 3
KEPT = 768  # principal components of the features
HIDDEN, DROPOUT, NOISE = 48, 0.2, 0.1
RATE, DECAY, BATCH, EPOCHS = 4e-3, 0.05, 384, 15
JITTERS = {RIG: 6, POSED: 1, EXACT: 1}  # views beside the photo and its mirror image; the others have just the photo
WEIGHTS = {RIG: 1.0, POSED: 0.5, EXACT: 1.5}
WEAK_WEIGHT = 0.3
UNSURE_DETECTION, UNSURE_WEIGHT = 0.97, 0.3  # boxes beside the face
OFFSET_FOLDS, OFFSET_ROUNDS = 6, 4
OFFSET_RIDGE = 1e-4


@dataclass(frozen=True)
class Views:
    """V views of faces as the base network sees them."""

    face: np.ndarray  # (V,) which
    mirrored: np.ndarray  # (V,) bool
    plain: np.ndarray  # (V,) bool: the photo or its mirror image, not jittered
    features: np.ndarray  # (V, 4608) float16: roots of the averaged maps
    landmarks: np.ndarray  # (V, 10)

    @property
    def sign(self) -> np.ndarray:
        """-1 for mirrored views: of yaw and roll."""
        return np.where(self.mirrored, -1.0, 1.0)

    def of_faces(self, kept: np.ndarray) -> Views:
        """The views of the faces of a mask, which are numbered anew."""
        here, number = kept[self.face], np.cumsum(kept) - 1
        columns = {name: column[here] for name, column in vars(self).items()}
        return Views(**columns | {"face": number[self.face[here]]})


def make_views(faces: PosedFaces, seed: int, tell=lambda text: None) -> Views:
    """All views that the teacher learns from and is asked about. About 20 ms each."""
    jobs = [(i, mirrored, jittered) for i in range(len(faces)) for mirrored, jittered in views_of(faces.kind[i])]
    network, card = checkpoint.load("base")
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (torch's stubs lack it)
    rng = np.random.default_rng(seed)
    features, landmarks = [], []
    for start in range(0, len(jobs), 32):
        views = [
            teacher_view(faces.squares[i], faces.landmarks[i], rng, jittered, mirrored)
            for i, mirrored, jittered in jobs[start : start + 32]
        ]
        pixels = card.preprocess.tensor([picture for picture, _ in views]).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            maps = network.maps(pixels, (LAYER,))[LAYER]
        averaged = nn.functional.adaptive_avg_pool2d(maps.float(), GRID).flatten(1)
        features.append(averaged.sqrt().half().numpy())
        landmarks += [points.ravel() for _, points in views]
        if start % 3200 == 0:
            tell(f"views for the teacher: {start} of {len(jobs)}")
    face, mirrored, jittered = (np.array(column) for column in zip(*jobs, strict=True))
    return Views(face, mirrored, ~jittered, np.concatenate(features), np.array(landmarks, np.float32))


def views_of(kind: str) -> list[tuple[bool, bool]]:
    """(mirrored, jittered) of every view of a face of that kind."""
    if kind not in JITTERS:
        return [(False, False)]
    return [(False, False), (True, False), *((number % 2 == 0, True) for number in range(JITTERS[kind]))]


def head_offsets(faces: PosedFaces, views: Views) -> tuple[np.ndarray, np.ndarray]:
    """By how much people on the rig hold their heads turned and lifted against it, (N,) degrees each; 0 for others.

    The median of what models see that never saw the person, per person and camera height, for four rounds.
    """
    yaw_offset, pitch_offset = np.zeros(len(faces)), np.zeros(len(faces))
    chosen = np.flatnonzero(faces.kind[views.face] == RIG)
    if not len(chosen):
        return yaw_offset, pitch_offset
    face, sign, asked = views.face[chosen], views.sign[chosen], views.plain[chosen] & ~views.mirrored[chosen]
    features = views.features[chosen].astype(np.float32)
    features = (features - features.mean(0)) / (features.std(0) + 0.05) / np.float32(np.sqrt(features.shape[1]))
    likeness = features @ features.T
    people = np.unique(faces.person[face])
    fold = np.searchsorted(people, faces.person[face]) % min(OFFSET_FOLDS, len(people))
    weight = np.sqrt(np.where(faces.confidence[face] < UNSURE_DETECTION, UNSURE_WEIGHT, 1.0))
    for _ in range(OFFSET_ROUNDS):
        targets = targets_of((faces.yaw + yaw_offset)[face] * sign, (faces.pitch + pitch_offset)[face])
        seen_yaw, seen_pitch = np.full(len(faces), np.nan), np.full(len(faces), np.nan)
        for number in range(fold.max() + 1):
            test, train = np.flatnonzero((fold == number) & asked), np.flatnonzero(fold != number)
            if not len(train):
                continue
            w = weight[train]
            kernel = likeness[np.ix_(train, train)] * w[:, None] * w
            kernel[np.diag_indices_from(kernel)] += OFFSET_RIDGE * len(train)
            mean = targets[train].mean(0)
            solved = np.linalg.solve(kernel, w[:, None] * (targets[train] - mean))
            outputs = (likeness[np.ix_(test, train)] * w) @ solved + mean
            seen_yaw[face[test]], seen_pitch[face[test]] = angles_of_targets(outputs)
        yaw_offset, pitch_offset = _medians(faces, seen_yaw, seen_pitch)
    return yaw_offset, pitch_offset


def _medians(faces: PosedFaces, seen_yaw: np.ndarray, seen_pitch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shrunken medians of seen less given angles: of a person's photos of one height, and of all of the person's.

    Those of pitch are 0 in the mean over the people at each height: models see lifted and lowered faces too level.
    """
    yaw_offset, pitch_offset = np.zeros(len(faces)), np.zeros(len(faces))
    yaw_miss, pitch_miss = wrapped(seen_yaw - faces.yaw).clip(-60, 60), seen_pitch - faces.pitch
    known = np.isfinite(yaw_miss)
    for person in np.unique(faces.person[known]):
        of_person = known & (faces.person == person)
        overall = np.median(yaw_miss[of_person])
        for pitch in np.unique(faces.pitch[of_person]):
            here = of_person & (faces.pitch == pitch)
            few = here.sum() < 3
            local = overall if few else np.median(yaw_miss[here])
            yaw_offset[here] = 0.85 * (0.6 * local + 0.4 * overall)
            pitch_offset[here] = 0.0 if few else 0.6 * np.median(pitch_miss[here])
    for pitch in np.unique(faces.pitch[known]):  # what people have in common is the models' shyness, not their posture
        here = known & (faces.pitch == pitch)
        pitch_offset[here] -= pitch_offset[here].mean()
    return yaw_offset, pitch_offset


@dataclass(frozen=True)
class Labels:
    """What a network is to learn of N faces: degrees (NaN unknown), and how much each counts."""

    yaw: np.ndarray
    pitch: np.ndarray
    weight: np.ndarray


def labels_for_teacher(faces: PosedFaces, offsets: tuple[np.ndarray, np.ndarray]) -> Labels:
    """Given angles with the offsets of people on the rig; the five points' yaw where it is small."""
    weight = np.select([faces.kind == kind for kind in WEIGHTS], list(WEIGHTS.values()), 0.0)
    weak = ~np.isin(faces.kind, list(WEIGHTS)) & (np.abs(faces.yaw) < WEAK_YAW_BELOW)
    return Labels(faces.yaw + offsets[0], faces.pitch + offsets[1], np.where(weak, WEAK_WEIGHT, weight))


def taught(faces: PosedFaces, views: Views, labels: Labels, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Train the teacher twice; its yaw and pitch (N,) of every face, means with the mirror image where there is one."""
    inputs = reduced(views, labels.weight[views.face] > 0, seed)
    pitch = labels.pitch
    for number in range(2):
        outputs = fitted(inputs, views, Labels(labels.yaw, pitch, labels.weight), seed + number)
        seen_yaw, seen_pitch = _of_faces(outputs, views, len(faces))
        pitch = np.where((faces.kind == POSED) & np.isnan(labels.pitch), seen_pitch, labels.pitch)
    return seen_yaw, seen_pitch


def reduced(views: Views, fitting: np.ndarray, seed: int) -> torch.Tensor:
    """(V, 778) inputs of the teacher: principal components of the features of fitting views, and landmarks."""
    features = views.features.astype(np.float32)
    mean, spread = features[fitting].mean(0), features[fitting].std(0) + 0.05
    features = (features - mean) / (spread * np.float32(np.sqrt(features.shape[1])))
    some, kept = features[fitting], min(KEPT, int(fitting.sum()))
    probe = np.random.default_rng(seed).normal(size=(features.shape[1], kept + 52)).astype(np.float32)
    for _ in range(2):  # randomised range finder with power iterations, Halko et al. 2011
        probe = some.T @ np.linalg.qr(some @ probe)[0]
    basis = np.linalg.svd(np.linalg.qr(some @ (probe))[0].T @ some, full_matrices=False)[2][:kept].T
    components = features @ basis
    size = np.sqrt((components[fitting] ** 2).sum(1).mean())
    return torch.from_numpy(np.concatenate([components * np.float32(8 / size), views.landmarks], 1))


class Head(nn.Module):
    """A hidden layer beside a linear map."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.hidden, self.from_hidden = nn.Linear(numbers, HIDDEN), nn.Linear(HIDDEN, 3)
        self.direct, self.drop = nn.Linear(numbers, 3), nn.Dropout(DROPOUT)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(B, numbers) -> (B, 3): sin and cos of yaw, sin of pitch."""
        return self.from_hidden(self.drop(torch.relu(self.hidden(inputs)))) + self.direct(inputs)


def fitted(inputs: torch.Tensor, views: Views, labels: Labels, seed: int) -> np.ndarray:
    """Outputs (V, 3) of a head trained on the labelled views, for all views."""
    face, sign = views.face, views.sign
    targets = torch.from_numpy(targets_of(labels.yaw[face] * sign, labels.pitch[face]))
    has_pitch = torch.from_numpy(np.isfinite(labels.pitch[face]).astype(np.float32))
    weights = torch.from_numpy(labels.weight[face].astype(np.float32))
    chosen, spread = torch.from_numpy(np.flatnonzero(labels.weight[face] > 0)), inputs.std(0)
    torch.manual_seed(seed)
    head = Head(inputs.shape[1])
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY)
    steps = EPOCHS * len(chosen) // BATCH + 1
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps + 1)
    for _ in range(steps):
        batch = chosen[torch.randint(len(chosen), (BATCH,))]
        noisy = inputs[batch] + NOISE * torch.randn(BATCH, inputs.shape[1]) * spread
        loss = pose_loss(head(noisy), targets[batch], has_pitch[batch])
        loss = (loss * weights[batch]).sum() / weights[batch].sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    head.eval()
    with torch.inference_mode():
        return head(inputs).numpy()


def pose_loss(outputs: torch.Tensor, targets: torch.Tensor, has_pitch: torch.Tensor) -> torch.Tensor:
    """(B,): distances of the yaw's direction and of the pitch's sine, smooth at 0; linear, for labels can be wrong."""
    miss = outputs - targets
    return (miss[:, :2].pow(2).sum(1) + 0.01).sqrt() + (miss[:, 2].pow(2) + 0.01).sqrt() * has_pitch


def _of_faces(outputs: np.ndarray, views: Views, count: int) -> tuple[np.ndarray, np.ndarray]:
    plain = views.plain
    summed, seen = np.zeros((count, 3)), np.zeros((count, 1))
    np.add.at(
        summed, views.face[plain], outputs[plain] * np.column_stack([views.sign[plain], *np.ones((2, plain.sum()))])
    )
    np.add.at(seen, views.face[plain], 1)
    return angles_of_targets(summed / seen)


def targets_of(yaw: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """(N, 3) float32: sin and cos of yaw, sin of pitch (0 where it is not known)."""
    yaw, pitch = np.radians(yaw), np.radians(np.nan_to_num(pitch))
    return np.column_stack([np.sin(yaw), np.cos(yaw), np.sin(pitch)]).astype(np.float32)


def angles_of_targets(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of targets_of, in degrees."""
    return np.degrees(np.arctan2(outputs[:, 0], outputs[:, 1])), np.degrees(np.arcsin(outputs[:, 2].clip(-1, 1)))


def wrapped(degrees: np.ndarray) -> np.ndarray:
    """The same angles from -180 to 180 degrees."""
    return (degrees + 180) % 360 - 180
