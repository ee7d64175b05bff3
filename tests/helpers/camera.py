"""A made-up camera for Chromium: one drawn head that looks in each direction for two seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image

from data_tools.sources.heads import DEFAULT_SEED, model_of, views_of
from data_tools.synthetic.scene import render

DIRECTIONS = ((0, 0), (45, 0), (-45, 0), (0, 26), (0, -26))  # yaw and pitch, degrees
HELD = 60  # frames of each
PERSON = 1
FLAGS = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


def camera_flags(file: Path) -> list[str]:
    """What Chromium is started with to see such a file, which is written here, as its camera."""
    write_camera(file)
    return [*FLAGS, f"--use-file-for-fake-video-capture={file}"]


def write_camera(file: Path) -> None:
    """Motion JPEG of 640x480."""
    view = min(views_of(DEFAULT_SEED, PERSON), key=lambda each: abs(each.yaw))
    with file.open("wb") as stream:
        for yaw, pitch in DIRECTIONS:
            turned = replace(view, yaw=float(yaw), pitch=float(pitch), roll=0.0, body_yaw=yaw / 2)
            head = render(model_of(DEFAULT_SEED, PERSON), turned).image.convert("RGB").resize((480, 480))
            frame = Image.new("RGB", (640, 480), (120, 120, 125))
            frame.paste(head, (80, 0))
            part = file.with_suffix(".jpg")
            frame.save(part, quality=90, subsampling="4:2:0")
            stream.write(part.read_bytes() * HELD)
