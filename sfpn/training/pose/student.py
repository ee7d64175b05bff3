"""The small network: learns the teacher's answers and the known angles from views of every face that it is given."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sfpn.network import checkpoint
from sfpn.photos.pose import Fire, PoseNet, angles_of
from sfpn.training.pose.faces import EXACT, POSED, RIG, UNLABELLED, PosedFaces
from sfpn.training.pose.teacher import pose_loss, targets_of, wrapped
from sfpn.training.pose.views import random_views, small_squares

BATCH, RATE, HEAD_RATE, DECAY, WARM_UP = 96, 7.5e-4, 3e-3, 0.02, 0.15
GOING_ON = 0.5  # times these rates, where training goes on from a trained network
DRAWN_OFTEN = {RIG: 4.0, POSED: 1.0, EXACT: 2.5, UNLABELLED: 0.5}  # how often a face of a kind is looked at
PROFILE_OFTEN, ASIDE_OFTEN = 1.5, 2.4  # times that, for labelled profiles and for drawn heads that look far aside:
ASIDE_YAW, ASIDE_PITCH = 60.0, 12.0  # degrees, at least
RIG_SHARE, PROFILE_SHARE = 0.7, 1.0  # of the given angle or label; the rest is the teacher's
SIN_YAW_TIMES, COS_YAW_LESS = 0.9, 0.04  # see `corrected`
UPRIGHT_BELOW = 20.0  # degrees of yaw: up to here the line between the eyes gives the roll


@dataclass(frozen=True)
class Targets:
    """What the small network is to learn of N faces, in degrees; roll NaN where it is not known."""

    yaw: np.ndarray
    pitch: np.ndarray
    roll: np.ndarray
    often: np.ndarray  # how often each is looked at, relative to the others


def targets_for_student(
    faces: PosedFaces, offsets: tuple[np.ndarray, np.ndarray], taught: tuple[np.ndarray, np.ndarray]
) -> Targets:
    """Exact angles where they are known, PROFILE_SHARE of the label for labelled profiles, the teacher's elsewhere."""
    rig, exact = faces.kind == RIG, faces.kind == EXACT
    yaw = np.select(
        [rig, exact, faces.profile],
        [
            taught[0] + RIG_SHARE * wrapped(faces.yaw + offsets[0] - taught[0]),
            faces.yaw,
            taught[0] + PROFILE_SHARE * wrapped(faces.yaw - taught[0]),
        ],
        taught[0],
    )
    pitch = np.select([rig, exact], [faces.pitch + offsets[1], faces.pitch], taught[1])
    roll = np.where((rig | exact) | (np.abs(yaw) >= UPRIGHT_BELOW), faces.roll, eye_roll(faces.landmarks, yaw, pitch))
    often = np.select([faces.kind == kind for kind in DRAWN_OFTEN], list(DRAWN_OFTEN.values()), 0.0)
    aside = exact & (np.abs(faces.yaw) >= ASIDE_YAW) & (np.abs(faces.pitch) >= ASIDE_PITCH)
    often *= np.where(faces.profile, PROFILE_OFTEN, 1.0) * np.where(aside, ASIDE_OFTEN, 1.0)
    return Targets(yaw, pitch, roll, often)


def eye_roll(landmarks: np.ndarray, yaw: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Roll from the line between the eyes (N, 5, 2), less the tilt that yaw and pitch give it; for small yaws only.

    At larger ones MTCNN guesses the hidden eye, and the tilt is not there.
    """
    (dx, dy), (yaw, pitch) = (landmarks[:, 1] - landmarks[:, 0]).T, np.radians([yaw, pitch])
    return np.degrees(np.arctan2(dy, dx) - np.arctan2(np.sin(pitch) * np.sin(yaw), np.cos(yaw)))


def started() -> PoseNet:
    """The network with the first layers of the base network, used with twice the stride."""
    network, base = PoseNet(), checkpoint.load("base")[0].layers
    layers: dict[str, Any] = dict(base.named_children())
    network.stem[0].load_state_dict(layers["conv1"].conv.state_dict())
    fires = [module for module in network.body if isinstance(module, Fire)]
    for fire, name in zip(fires, ("fire2", "fire3", "fire4", "fire5"), strict=True):
        for mine, theirs in (("squeeze", "squeeze1x1"), ("expand1", "expand1x1"), ("expand3", "expand3x3")):
            getattr(fire, mine).load_state_dict(getattr(layers[name], theirs).conv.state_dict())
    with torch.no_grad():
        network.direct.weight.mul_(0.1)
    return network


def train_student(
    faces: PosedFaces,
    targets: Targets,
    steps: int,
    seed: int,
    tell=lambda text: None,
    start: PoseNet | None = None,
) -> PoseNet:
    """Train on one thread; the stem stays as it is. Returns the network in evaluation mode.

    start: a trained network to go on from, in steps half as large.
    """
    torch.manual_seed(seed)
    chance, began = torch.Generator().manual_seed(seed), time.monotonic()
    network, pace = copy.deepcopy(start) if start else started(), GOING_ON if start else 1.0
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (torch's stubs lack it)
    network.stem.requires_grad_(False)
    heads = [network.hidden, network.from_hidden, network.direct]
    groups = [
        {"params": list(network.body.parameters()), "lr": pace * RATE},
        {"params": [parameter for head in heads for parameter in head.parameters()], "lr": pace * HEAD_RATE},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [pace * RATE, pace * HEAD_RATE], total_steps=steps + 1, pct_start=WARM_UP
    )
    squares, landmarks = small_squares(faces.squares), torch.from_numpy(faces.landmarks)
    yaw_pitch, roll = (
        torch.from_numpy(targets_of(targets.yaw, targets.pitch)),
        torch.from_numpy(np.radians(targets.roll)),
    )
    has_roll, often = torch.isfinite(roll).float(), torch.from_numpy(targets.often)
    roll, all_pitches = torch.nan_to_num(roll).float(), torch.ones(BATCH)
    network.train()
    for step in range(steps):
        batch = torch.multinomial(often, BATCH, replacement=True, generator=chance)
        pixels, points, mirrored, turned = random_views(squares[batch], landmarks[batch], chance)
        sign = torch.where(mirrored, -1.0, 1.0)
        wanted = yaw_pitch[batch].clone()
        wanted[:, 0] *= sign
        with torch.autocast("cpu", torch.bfloat16):
            outputs = network(pixels.contiguous(memory_format=torch.channels_last), points.flatten(1))
        outputs = outputs.float()
        roll_miss = outputs[:, 3] - torch.sin(roll[batch] * sign - turned)
        loss = pose_loss(outputs[:, :3], wanted, all_pitches) + (roll_miss**2 + 0.01).sqrt() * has_roll[batch]
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            tell(f"step {step + 1} of {steps}: loss {loss.mean().item():.3f}, {time.monotonic() - began:.0f} s")
    return network.eval()


def corrected(network: PoseNet) -> PoseNet:
    """A copy that answers SIN_YAW_TIMES the sine of the yaw and COS_YAW_LESS less than its cosine.

    Trained networks see people at 45 degrees turned by 5 too far, as CFP's profiles are labelled, and at 90 by 6 too
    little, as there is nothing beyond; drawn heads by 1 and 4. Chosen on people and heads kept out: docs/pose.md.
    """
    changed = copy.deepcopy(network)
    with torch.no_grad():
        for layer in (changed.from_hidden, changed.direct):
            layer.weight[0] *= SIN_YAW_TIMES
            layer.bias[0] *= SIN_YAW_TIMES
        changed.direct.bias[1] -= COS_YAW_LESS
    return changed


def rounded(network: PoseNet) -> PoseNet:
    """A copy with weights as they are stored, in half precision."""
    stored = copy.deepcopy(network)
    for parameter in stored.parameters():
        parameter.data = parameter.data.half().float()
    return stored


def seen_by(network: PoseNet, crops: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """(3, N): yaw, pitch and roll of crops (N, 64, 64, 3) and landmarks (N, 5, 2), as the estimator sees them."""
    parts = [angles_of(network, crops[at : at + 64], landmarks[at : at + 64]) for at in range(0, len(crops), 64)]
    return np.concatenate([np.stack(part) for part in parts], 1) if parts else np.zeros((3, 0))
