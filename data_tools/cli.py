"""Options of `python -m data_tools build KIND SOURCE --out DIR`.

python -m data_tools build cfp shared/cfp-dataset --out cfp
python -m data_tools build hub user/faces --columns image=img identity=person --out faces
python -m data_tools build turned cfp:train --out cfp-turned
accelerate launch --multi_gpu --num_processes 2 -m data_tools build vggface2 VGGFACE2_FOLDER --out vggface2
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import time
from pathlib import Path
from typing import Any

from data_tools.annotate import Detector, mtcnn
from data_tools.build import BuildConfig, build, work_of
from data_tools.decided import DecidedSource
from data_tools.ledger import CHANGED
from data_tools.names import escaped
from data_tools.options import add_detector_device, add_run_options, whole
from data_tools.save import LEDGER_FILE
from data_tools.sources.base import Source
from data_tools.sources.cfp import CFP
from data_tools.sources.columns import parse_columns
from data_tools.sources.folder import open_folder
from data_tools.sources.frmdb import FRMDB
from data_tools.sources.heads import Heads
from data_tools.sources.hub import Hub
from data_tools.sources.lfw import LFW
from data_tools.sources.ms1m import MS1M
from data_tools.sources.turned import Turned, parse_yaw
from data_tools.sources.vggface2 import VGGFace2
from data_tools.split import parse_fractions
from data_tools.together import FIRST, Link, help_first
from sfpn.data.decisions import decisions_text, read_decisions
from sfpn.errors import UserError

KINDS = {
    "cfp": "Celebrities in Frontal-Profile: the official folder, whole or partial",
    "vggface2": "VGGFace2: image root with test_posetemp_imglist.txt and/or train_list.txt",
    "ms1m": "InsightFace RecordIO: train.rec, train.idx",
    "lfw": "Labeled Faces in the Wild: folders of persons and pairs*.txt",
    "folder": "identity/image.jpg, or a .csv or .parquet file with columns",
    "hub": "a Hugging Face dataset id, or local Parquet, streamed",
    "frmdb": "Face Recognition from Mugshots Database: people from known directions and heights",
    "heads": "a number of people: drawn heads at known yaw, pitch and roll",
    "turned": "a dataset made by this command, DIR or DIR:SPLIT: its faces turned to other yaws",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one sub-command per kind of source."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind, text in KINDS.items():
        sub = kinds.add_parser(kind, help=text, description=text, allow_abbrev=False)
        sub.add_argument("source", metavar="SOURCE")
        _add_source_arguments(kind, sub)
        _add_build_arguments(sub)


def _add_source_arguments(kind: str, sub: argparse.ArgumentParser) -> None:
    if kind == "vggface2":
        sub.add_argument("--pose-list", type=Path, help="default: SOURCE/test_posetemp_imglist.txt")
        sub.add_argument("--train-list", type=Path, help="default: SOURCE/train_list.txt")
    if kind == "lfw":
        sub.add_argument("--pairs", type=Path, help="default: the first SOURCE/pairs*.txt")
    if kind in ("folder", "hub"):
        help_text = "names of columns, e.g. image=img identity=person pose=view yaw_degrees=yaw"
        sub.add_argument("--columns", nargs="+", default=[], metavar="OURS=THEIRS", help=help_text)
    if kind == "folder":
        sub.add_argument("--name", help="what the data card calls the set (default: folder)")
        sub.add_argument("--licence", help="what the data card says about its use (default: not stated)")
    if kind == "hub":
        sub.add_argument(
            "--hub-split", default=Hub.hub_split, help="split of the Hub dataset to read (default: %(default)s)"
        )
    if kind == "heads":
        sub.add_argument("--seed", type=whole(), default=Heads.seed, help="of the people (default: %(default)s)")
    if kind == "turned":
        default = Turned.seed
        sub.add_argument("--seed", type=whole(), default=default, help="of the new yaws (default: %(default)s)")
        per_image = "turned pictures of each photo (default: %(default)s)"
        sub.add_argument("--per-image", type=whole(1), default=Turned.per_image, metavar="N", help=per_image)
        yaw = f"new yaw in degrees, to either side (default: {_shown_yaw(Turned.yaw)})"
        sub.add_argument("--yaw", type=_yaw, default=Turned.yaw, metavar="LEAST-MOST", help=yaw)


def _add_build_arguments(sub: argparse.ArgumentParser) -> None:
    add_run_options(sub)
    sub.add_argument("--limit", type=whole(1), metavar="N", help="only the first N pictures of the source")
    sub.add_argument("--no-detect", action="store_true", help="no boxes, no estimated pose")
    sub.add_argument("--small-faces", action="store_true", help="also look for faces below portrait size (slower)")
    add_detector_device(sub)
    fractions = ",".join(f"{name}={fraction:g}" for name, fraction in BuildConfig.fractions)
    sub.add_argument(
        "--split", metavar="NAME=FRACTION,...", help=f"shares of the identities in each split (default: {fractions})"
    )
    sub.add_argument(
        "--duplicates", choices=("keep", "drop"), help="default: keep where the source has an official protocol"
    )
    decisions = "left out, merged or mended by the decisions in a CSV or JSON file (see: python -m data_tools check)"
    sub.add_argument("--decisions", type=Path, metavar="FILE", help=decisions)
    sub.add_argument("--require-face", action="store_true", help="drop pictures without a detected face")
    min_images = "drop identities with fewer (default: %(default)s)"
    sub.add_argument("--min-images", type=whole(1), default=BuildConfig.min_images, metavar="N", help=min_images)


def run(args: argparse.Namespace) -> int:
    """Build and print one summary line; 0 when the dataset is written. Raises UserError.

    Under a launcher this is said and written by the first process, and the others help it.
    """
    started, link = time.monotonic(), Link.of_launch()
    if link.index != FIRST:
        return help_first(lambda: work_of(*prepare(args)), link)
    source, detector, config = prepare(args)
    card = build(source, args.out, detector, config, link=link)
    print(summary(card, args.out, time.monotonic() - started, detector))
    return 0


def prepare(args: argparse.Namespace) -> tuple[Source, Detector | None, BuildConfig]:
    """The source, the detector and the options of a build. Raises UserError."""
    if args.require_face and args.no_detect:
        raise UserError("--require-face needs the detector: leave out --no-detect")
    source = decided(open_source(args), args.decisions)
    detector = None if args.no_detect else mtcnn(small_faces=args.small_faces, device=args.device)
    return source, detector, make_config(args, source)


def open_source(args: argparse.Namespace) -> Source:
    """The source that the arguments name. Raises UserError when it is not there or not of that kind."""
    if args.kind == "turned":
        return Turned(args.source, args.seed, args.per_image, args.yaw)
    if args.kind == "heads":
        return Heads.parse(args.source, args.seed)
    path = Path(args.source)
    if args.kind != "hub" and not path.exists():
        raise UserError(f"there is no {path}")
    if args.kind == "folder":
        said = (text and escaped(text) for text in (args.name, args.licence))
        return open_folder(path, parse_columns(args.columns), *said)
    if args.kind == "hub":
        return Hub(args.source, parse_columns(args.columns), args.hub_split)
    if args.kind == "vggface2":
        return VGGFace2(path, args.pose_list, args.train_list)
    if args.kind == "lfw":
        return LFW(path, args.pairs)
    return {"cfp": CFP, "frmdb": FRMDB, "ms1m": MS1M}[args.kind](path)


def decided(source: Source, file: Path | None) -> Source:
    """The source with the decisions of a file applied. Raises UserError where they do not fit it."""
    if file is None:
        return source
    decisions = read_decisions(file)
    try:
        return DecidedSource(source, tuple(decisions))
    except UserError as error:
        raise UserError(f"{file}: {error}") from error


def make_config(args: argparse.Namespace, source: Source) -> BuildConfig:
    """The frozen configuration of a build."""
    chosen: dict[str, Any] = {"fractions": parse_fractions(args.split)} if args.split else {}
    if isinstance(source, DecidedSource):
        chosen["decisions_sha256"] = hashlib.sha256(decisions_text(source.decisions).encode()).hexdigest()
    return BuildConfig(
        command=shown_command(args),
        limit=args.limit,
        keep_duplicates=source.keeps_duplicates if args.duplicates is None else args.duplicates == "keep",
        require_face=args.require_face,
        min_images=args.min_images,
        workers=args.workers,
        resume=args.resume,
        overwrite=args.overwrite,
        progress=not args.quiet,
        **chosen,
    )


def shown_command(args: argparse.Namespace) -> str:
    """The command with folder names only and without what leaves the bytes as they are, so that it can be published."""
    source = args.source if args.kind == "hub" and not Path(args.source).exists() else Path(args.source).resolve().name
    words = ["python -m data_tools build", args.kind, source, "--out", args.out.resolve().name]
    shown = (
        "pose_list",
        "train_list",
        "pairs",
        "columns",
        "name",
        "licence",
        "hub_split",
        "limit",
        "no_detect",
        "small_faces",
        "split",
        "duplicates",
        "require_face",
        "min_images",
        "decisions",
        "seed",
        "per_image",
        "yaw",
    )
    defaults = {
        "hub_split": Hub.hub_split,
        "min_images": BuildConfig.min_images,
        "per_image": Turned.per_image,
        "yaw": Turned.yaw,
    }
    for name in shown:
        value = getattr(args, name, None)
        if value and value != defaults.get(name):
            words += ["--" + name.replace("_", "-"), *_words(value)]
    return escaped(" ".join(words))


def _words(value: Any) -> list[str]:
    if value is True:
        return []
    if isinstance(value, Path):
        return [value.name]
    if isinstance(value, tuple):
        return [_shown_yaw(value)]
    return list(value) if isinstance(value, list) else [shlex.quote(str(value))]


def summary(card: dict[str, Any], out: Path, seconds: float, detector: Detector | None) -> str:
    """One line: what was written, what was not, and how long it took."""
    poses = ", ".join(f"{count} {pose}" for pose, count in card["rows_per_pose"].items() if count)
    faceless = f"{card['rows'] - card['rows_with_face']} without a face, " if detector else ""
    steps = ", ".join(f"{count} by {step}" for step, count in card["ledger"]["dropped"].items())
    dropped = f"lines on what was dropped: {steps}, in {out / LEDGER_FILE}" if steps else "nothing was dropped"
    changed = sum(card["ledger"].get(CHANGED, {}).values())
    changed_words = f"{changed} changed by decision, " if changed else ""
    return (
        f"{card['name']}: {card['rows']} rows of {card['identities']} identities in {out} ({poses}); "
        f"{faceless}{changed_words}{dropped}; {seconds:.0f} s"
    )


def _yaw(text: str) -> tuple[int, int]:
    try:
        return parse_yaw(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _shown_yaw(yaw: tuple[int, int]) -> str:
    return "-".join(map(str, yaw))
