"""The options of `python app.py`: what to load, where to listen, what visitors may bring."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from demo.examples import ASSETS
from demo.pose_errors.saved_reports import saved_reports
from sfpn.network.checkpoint import bundled_names

OWN_MODEL = 300  # MB, where --own-model names no other size
OWN_SET = (5_000, 500)  # photos and MB of a set that a visitor brings
PUBLIC_SET = (500, 100)  # the same on a page that anybody may open


@dataclass(frozen=True)
class Options:
    """What to load, where to listen, what visitors may bring."""

    models: tuple[str, ...] = ()
    dataset: Path | None = None
    reports: tuple[Path, ...] = ()
    host: str | None = None
    port: int | None = None
    public: bool = False
    allowed_hosts: tuple[str, ...] = ()
    mcp: bool = False
    own_photos: int | None = None  # of a set that a visitor brings; 0: none may be brought; None: OWN_SET, PUBLIC_SET
    own_megabytes: int | None = None
    own_hub: bool = False
    own_model_megabytes: int = 0  # of a model that a visitor brings; 0: none may be brought
    cdn: bool = False

    @property
    def own_set(self) -> tuple[int, int]:
        """(photos, bytes) that a set which a visitor brings may have; (0, 0) where none may be brought."""
        photos, megabytes = PUBLIC_SET if self.public else OWN_SET
        photos = photos if self.own_photos is None else self.own_photos
        megabytes = megabytes if self.own_megabytes is None else self.own_megabytes
        return (photos, 1_000_000 * megabytes) if photos and megabytes else (0, 0)


def parse(arguments: list[str] | None = None, description: str | None = None) -> Options:
    """Read the command line, by default that of this program."""
    parser = argparse.ArgumentParser(
        "app.py", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _shown(parser)
    _served(parser)
    _brought(parser)
    args = parser.parse_args(arguments)
    if args.own_model and (args.public or on_space()):
        parser.error("--own-model is for a machine of your own: leave it out on a page that anybody may open")
    dataset = args.dataset or _bundled_dataset()
    return Options(
        models=tuple(args.model or bundled_names()),
        dataset=dataset,
        reports=tuple(args.report or [*_bundled_reports(), *(saved_reports(dataset) if dataset else [])]),
        host=args.host,
        port=args.port,
        mcp=args.mcp,
        public=args.public,
        allowed_hosts=tuple(args.allowed_host),
        own_photos=args.own_photos,
        own_megabytes=args.own_mb,
        own_hub=args.own_hub,
        own_model_megabytes=args.own_model,
        cdn=args.runtime_from_cdn,
    )


def _shown(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", nargs="+", metavar="NAME_OR_PATH", help="models to offer (default: all that are bundled)"
    )
    parser.add_argument(
        "--dataset", type=Path, help="dataset folder (default: the synthetic people that ship with the project)"
    )
    parser.add_argument(
        "--report",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="evaluation reports (default: those that ship, and those kept in the dataset folder)",
    )


def _served(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default: this computer only)")
    parser.add_argument("--port", type=int, help="port (default: the first free one from 7860 on)")
    parser.add_argument("--mcp", action="store_true", help="also serve the endpoints as tools for agents (needs mcp)")
    parser.add_argument(
        "--allowed-host",
        nargs="+",
        default=[],
        metavar="NAME",
        help="names by which visitors reach the page, e.g. of the proxy before it (default: this computer's own)",
    )
    parser.add_argument(
        "--public",
        action=argparse.BooleanOptionalAction,
        default=on_space(),
        help="for a page that anybody may open: nothing is written into the dataset folder, and embeddings and reports "
        "are not computed on request (default on Hugging Face Spaces)",
    )
    parser.add_argument(
        "--runtime-from-cdn",
        action="store_true",
        help="browsers load ONNX Runtime, for the tab On your device, from cdn.jsdelivr.net (default: from this app, "
        "after python -m demo.on_device fetch)",
    )


def _brought(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--own-photos",
        type=_count,
        metavar="N",
        help=f"photos of a set that a visitor may bring; 0: no sets (default: {OWN_SET[0]}, public {PUBLIC_SET[0]})",
    )
    parser.add_argument(
        "--own-mb",
        type=_count,
        metavar="MB",
        help=f"size of such a set (default: {OWN_SET[1]}, public {PUBLIC_SET[1]})",
    )
    parser.add_argument(
        "--own-hub",
        action="store_true",
        help="visitors may also name a dataset of the Hugging Face Hub (needs HF_HUB_OFFLINE=0)",
    )

    parser.add_argument(
        "--own-model",
        type=_count,
        nargs="?",
        const=OWN_MODEL,
        default=0,
        metavar="MB",
        help="visitors may bring a model, an ONNX file, of this size, which this computer then runs; only on a machine "
        f"of your own, never with --public (default: no models; without MB: {OWN_MODEL})",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > 10**6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 1,000,000")
    return int(text)


def _bundled_dataset() -> Path | None:
    synthetic = ASSETS / "synthetic"
    return synthetic if any(synthetic.glob("data*.parquet")) else None


def _bundled_reports() -> list[Path]:
    return sorted(file.parent for file in (ASSETS / "reports").glob("*/report.json"))


def on_space() -> bool:
    """Whether this runs on Hugging Face Spaces."""
    return bool(os.environ.get("SPACE_ID"))
