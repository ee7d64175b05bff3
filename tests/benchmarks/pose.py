"""How wrong the pose estimator is, and which faces are found: FRMDB, CFP, drawn heads, pictures without a face.

    python -m tests.benchmarks.pose --frmdb ../shared/data/frmdb --cfp ../shared/data/cfp-dataset --drawn 8 \\
        [--people 25-33] [--subjects 1-150] [--svg docs/images/pose-error.svg]

People 25 to 33 of FRMDB, CFP's subjects 1 to 150 (folds 1-3) and every fourth drawn person are not trained on. A photo
is looked at as a visitor's: once more where no face was found, or no sure one. Lost faces are counted, not measured.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from data_tools.sources.base import Item
from data_tools.sources.frmdb import FRMDB
from data_tools.sources.heads import MEASURED, draw, views_of
from sfpn.photos.detector import Face, FaceDetector, choose_face
from sfpn.photos.finding import looked_at_again
from sfpn.schema import pose_from_yaw

HEIGHTS = {0.0: "level", -30.0: "30 above", 30.0: "30 below"}
DIRECTIONS = (-90.0, -45.0, 0.0, 45.0, 90.0)
YAW_RANGES, PITCH_RANGES = ((0, 20), (20, 65), (65, 95)), ((0, 15), (15, 30), (30, 45))
NO_FACES = 60  # made-up pictures
DRAWN_SEED = 1301


@dataclass(frozen=True)
class Seen:
    """What the detector made of a photo: the chosen face, and whether only the second look found it."""

    yaw: float
    pitch: float
    roll: float
    face: Face | None
    second: bool


def see(detector: FaceDetector, image: Image.Image, yaw: float, pitch: float, roll: float = 0.0) -> Seen:
    """The photo of given angles as a visitor's is seen."""
    faces = detector.detect(image)
    second = not faces
    faces = looked_at_again(detector, image, faces)
    return Seen(yaw, pitch, roll, choose_face(faces, image.size), second)


def main() -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frmdb", type=Path)
    parser.add_argument("--people", type=span, default=span("25-33"), help="of FRMDB (default: 25-33)")
    parser.add_argument("--cfp", type=Path)
    parser.add_argument("--subjects", type=span, default=span("1-150"), help="of CFP (default: 1-150)")
    parser.add_argument("--drawn", type=int, default=0, metavar="N", help="drawn people, 30 heads each")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write the errors over yaw and pitch as a figure")
    args = parser.parse_args()
    detector, people, drawn = FaceDetector(small_faces=False), [], []
    if args.frmdb:
        people = frmdb_seen(detector, args.frmdb, args.people)
        report_people(people)
    if args.cfp:
        report_cfp(detector, args.cfp, args.subjects)
    if args.drawn:
        drawn = drawn_seen(detector, args.drawn)
        report_drawn(drawn)
    report_no_faces(detector)
    report_time(detector, [seen for seen in (*people, *drawn) if seen.face])
    if args.svg:
        args.svg.write_text(figure(people, drawn))


def span(text: str) -> range:
    """'25-33'."""
    first, last = text.split("-")
    return range(int(first), int(last) + 1)


def frmdb_seen(detector: FaceDetector, folder: Path, people: range) -> list[Seen]:
    """All photos of faces of the people."""
    items = (item for item in FRMDB(folder).items() if isinstance(item, Item) and int(item.identity) in people)
    return [see(detector, opened(item.read()), item.yaw_degrees or 0.0, item.pitch_degrees or 0.0) for item in items]


def opened(encoded: bytes) -> Image.Image:
    """The RGB picture in the bytes."""
    return Image.open(io.BytesIO(encoded)).convert("RGB")


def report_people(people: list[Seen]) -> None:
    """Errors by height of the camera, lost faces by direction and height."""
    print("FRMDB: yaw error mean / median, pitch error, pose named right, photos")
    for pitch, name in HEIGHTS.items():
        print(f"  {name:9s} {errors([seen for seen in people if seen.pitch == pitch])}")
    print(f"  {'all':9s} {errors(people)}")
    print(
        f"  within give or take: yaw {within(people, 'yaw'):.0%}, pitch {within(people, 'pitch'):.0%}; should be 68 %"
    )
    print("FRMDB: photos without a face after the first / the second look")
    for pitch, name in HEIGHTS.items():
        cells = ([s for s in people if (s.yaw, s.pitch) == (yaw, pitch)] for yaw in DIRECTIONS)
        print(f"  {name:9s}", "  ".join(f"{first_lost(cell)}/{lost(cell)} of {len(cell)}" for cell in cells))


def errors(some: Iterable[Seen]) -> str:
    """Yaw and pitch errors in words."""
    found = [seen for seen in some if seen.face]
    if not found:
        return "no photo"
    yaw, pitch = misses(found, "yaw"), misses(found, "pitch")
    right = np.mean([pose_from_yaw(s.face.yaw_degrees) == pose_from_yaw(s.yaw) for s in found if s.face])
    return f"{yaw.mean():4.1f} / {np.median(yaw):4.1f}, {pitch.mean():4.1f}, {right:6.1%}, {len(found)}"


def misses(found: list[Seen], angle: str) -> np.ndarray:
    """Absolute errors of an angle ('yaw', 'pitch', 'roll'), degrees."""
    return np.array([abs(getattr(seen.face, f"{angle}_degrees") - getattr(seen, angle)) for seen in found])


def within(some: list[Seen], angle: str) -> float:
    """Share of the found faces whose error is at most what the estimator said of itself."""
    found = [seen for seen in some if seen.face]
    said = [getattr(seen.face, f"{angle}_uncertainty_degrees") for seen in found]
    return float(np.mean(misses(found, angle) <= said))


def first_lost(some: list[Seen]) -> int:
    """Photos in which the first look found no face."""
    return sum(seen.second for seen in some)


def lost(some: list[Seen]) -> int:
    """Photos in which no face was found at all."""
    return sum(seen.face is None for seen in some)


def report_cfp(detector: FaceDetector, folder: Path, subjects: range) -> None:
    """How CFP's photos are named."""
    for pose, count in (("frontal", 10), ("profile", 4)):
        files = [
            folder / "Data/Images" / f"{subject:03d}" / pose / f"{number:02d}.jpg"
            for subject in subjects
            for number in range(1, count + 1)
        ]
        some = [see(detector, opened(file.read_bytes()), 0.0, 0.0) for file in files if file.is_file()]
        yaws = np.abs([seen.face.yaw_degrees for seen in some if seen.face])
        named = [pose_from_yaw(yaw) for yaw in yaws]
        counts = ", ".join(f"{named.count(name)} {name}" for name in ("frontal", "three_quarter", "profile"))
        print(
            f"CFP {pose}: named {counts} ({named.count(pose) / max(len(named), 1):.2%} right); lost after the first / "
            f"second look {first_lost(some)}/{lost(some)} of {len(some)}; |yaw| 5/50/95 %: "
            f"{np.percentile(yaws, [5, 50, 95]).round(0)}"
        )


def drawn_seen(detector: FaceDetector, people: int) -> list[Seen]:
    """The heads of so many drawn people that were not trained on; a face elsewhere than in the middle is lost."""
    found = []
    for number in range(0, MEASURED * people, MEASURED):
        for index, view in enumerate(views_of(DRAWN_SEED, number)):
            image = opened(draw(DRAWN_SEED, number, index))
            seen = see(detector, image, view.yaw, view.pitch, view.roll)
            if seen.face and not holds_middle(seen.face, image.size):
                seen = Seen(seen.yaw, seen.pitch, seen.roll, None, seen.second)
            found.append(seen)
    return found


def holds_middle(face: Face, size: tuple[int, int]) -> bool:
    """Whether the face box holds the middle of the picture."""
    left, top, right, bottom = face.box_xyxy
    return left <= size[0] / 2 <= right and top <= size[1] / 2 <= bottom


def report_drawn(drawn: list[Seen]) -> None:
    """Errors by |yaw| and |pitch|."""
    print("drawn heads: yaw error mean / median, pitch error, pose named right, heads")
    for low, high in YAW_RANGES:
        for least, most in PITCH_RANGES:
            some = [s for s in drawn if low <= abs(s.yaw) < high and least <= abs(s.pitch) < most]
            print(f"  |yaw| {low}-{high}, |pitch| {least}-{most}: {errors(some)}; lost {lost(some)}")
    found = [seen for seen in drawn if seen.face]
    rolls, tilts = misses(found, "roll"), np.abs([seen.roll for seen in found])
    print(f"  all: {errors(drawn)}; roll error {rolls.mean():.1f} (of rolls of {tilts.mean():.1f}); lost {lost(drawn)}")


def report_no_faces(detector: FaceDetector) -> None:
    """False finds in pictures without a face."""
    pictures = list(no_faces())
    first = [bool(detector.detect(picture)) for picture in pictures]
    both = [known or bool(detector.look_again(picture)) for known, picture in zip(first, pictures, strict=True)]
    print(
        f"{len(pictures)} pictures without a face: found in {sum(first)} at the first, {sum(both)} with the second look"
    )


def no_faces() -> Iterator[Image.Image]:
    """Blurred noise of many grains, which has the spots that a face detector stumbles over."""
    for number in range(NO_FACES):
        rng = np.random.default_rng(number)
        side = int(rng.integers(3, 40))
        noise = Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
        yield noise.resize((250, 250), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(1))


def report_time(detector: FaceDetector, found: list[Seen]) -> None:
    """Milliseconds of processor time a face."""
    image = Image.new("RGB", (250, 250), (150, 120, 110))
    box, points = np.array([[60.0, 60.0, 180.0, 200.0]]), np.full((1, 5, 2), 120.0)
    times = [clocked(lambda: detector._poses.estimate(image, box, points, np.ones(1))) for _ in range(50)]
    print(f"pose of one face: {1000 * float(np.median(times)):.1f} ms of processor time ({len(found)} faces above)")


def clocked(work: Callable[[], object]) -> float:
    """Seconds of processor time."""
    start = time.process_time()
    work()
    return time.process_time() - start


def figure(people: list[Seen], drawn: list[Seen]) -> str:
    """An SVG of two tables of mean yaw errors: people by direction and height, drawn heads by yaw and pitch."""
    heights = (30.0, 0.0, -30.0)
    of_people = [[[s for s in people if (s.yaw, s.pitch) == (yaw, p)] for yaw in DIRECTIONS] for p in heights]
    yaws, pitches = np.arange(-90, 91, 30), np.arange(30, -31, -15)
    of_drawn = [
        [[s for s in drawn if abs(s.yaw - yaw) <= 15 and abs(s.pitch - p) <= 7.5] for yaw in yaws] for p in pitches
    ]
    parts = [
        table_svg("People of FRMDB (rig's angles)", of_people, DIRECTIONS, heights, 10),
        table_svg("Drawn heads (exact angles)", of_drawn, yaws, pitches, 400),
    ]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 880 260" font-family="sans-serif" font-size="13" '
        'role="img" aria-label="Mean error of the estimated yaw over yaw and pitch">'
        f'<rect width="880" height="260" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def table_svg(title: str, cells: list, yaws: Iterable[float], pitches: Iterable[float], left: float) -> str:
    """One table, darker where the error is larger; '-' where no face was found."""
    width, height, out = 58, 32, [f'<text x="{left}" y="20" font-weight="bold">{title}: mean yaw error</text>']
    yaws, pitches = list(yaws), list(pitches)
    for row, pitch in enumerate(pitches):
        y = 34 + row * height
        out.append(f'<text x="{left + 44}" y="{y + 20}" text-anchor="end">{pitch:+.0f}°</text>')
        for column, cell in enumerate(cells[row]):
            found, x = [seen for seen in cell if seen.face], left + 50 + column * width
            error = float(misses(found, "yaw").mean()) if found else None
            shade = 0.0 if error is None else min(error / 25, 1.0)
            ink = "#fff" if shade > 0.55 else "#111"
            out.append(
                f'<rect x="{x}" y="{y}" width="{width - 2}" height="{height - 2}" '
                f'fill="rgb({255 - 220 * shade:.0f},{255 - 165 * shade:.0f},{255 - 90 * shade:.0f})" stroke="#ccc"/>'
                f'<text x="{x + width / 2 - 1}" y="{y + 20}" text-anchor="middle" fill="{ink}">'
                f"{'–' if error is None else f'{error:.1f}'}</text>"
            )
    foot = 34 + len(pitches) * height + 16
    for column, yaw in enumerate(yaws):
        out.append(f'<text x="{left + 79 + column * width}" y="{foot}" text-anchor="middle">{yaw:+.0f}°</text>')
    out.append(f'<text x="{left}" y="{foot + 20}" fill="#555">pitch down the side, yaw along the foot, degrees</text>')
    return "".join(out)


if __name__ == "__main__":
    main()
