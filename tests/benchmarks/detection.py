"""Undetected faces, separation of frontal from profile by yaw, and time per image on CFP folds 01-03.

    python tests/benchmarks/detection.py ../shared/data/cfp-dataset [--unpadded]

A detection counts if its box holds the centre of the hand-marked fiducials. --unpadded shows what the border padding
is for.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

from sfpn.photos import detector as faces_module
from sfpn.photos.detector import FaceDetector, choose_face

SUBJECTS = range(1, 151)  # folds 01-03
IMAGES = {"frontal": 10, "profile": 4}


def fiducial_center(path: Path) -> np.ndarray:
    return np.loadtxt(str(path).replace("Images", "Fiducials").replace(".jpg", ".txt"), delimiter=",").mean(axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cfp", type=Path)
    parser.add_argument("--unpadded", action="store_true")
    args = parser.parse_args()
    if args.unpadded:
        faces_module.PAD_FRACTION = 0.0
    detector = FaceDetector(small_faces=False)
    yaws, seconds = {}, 0.0
    for pose, count in IMAGES.items():
        yaws[pose], missed = [], 0
        for subject in SUBJECTS:
            for number in range(1, count + 1):
                path = args.cfp / "Data" / "Images" / f"{subject:03d}" / pose / f"{number:02d}.jpg"
                image = Image.open(path).convert("RGB")
                start = time.perf_counter()
                found = detector.detect(image)
                seconds += time.perf_counter() - start
                x, y = fiducial_center(path)
                held = [f for f in found if f.box_xyxy[0] <= x <= f.box_xyxy[2] and f.box_xyxy[1] <= y <= f.box_xyxy[3]]
                missed += not held
                if held:
                    yaws[pose].append(abs(choose_face(held, image.size).yaw_degrees))
        print(
            f"{pose}: {missed} of {count * len(SUBJECTS)} undetected; |yaw| 5/50/95 %: "
            f"{np.percentile(yaws[pose], [5, 50, 95]).round(1)}"
        )
    frontal, profile = (np.array(yaws[pose]) for pose in IMAGES)
    candidates = np.arange(10.0, 50.0, 0.5)
    right = [((frontal < c).sum() + (profile >= c).sum()) / (len(frontal) + len(profile)) for c in candidates]
    best = int(np.argmax(right))
    print(
        f"told apart at |yaw| >= {candidates[best]:g} degrees: {100 * right[best]:.2f} % (at 18 degrees: "
        f"{100 * right[list(candidates).index(18.0)]:.2f} %)"
    )
    print(f"{1000 * seconds / 2100:.1f} ms an image")


if __name__ == "__main__":
    main()
