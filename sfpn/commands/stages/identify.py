"""The paper's two stages: learning to tell identities apart.

    python -m data_tools build ms1m FOLDER --no-detect --out datasets/ms1m
    python -m sfpn train pretrain datasets/ms1m --start-from imagenet --out runs/ms1m
    python -m data_tools build vggface2 FOLDER --require-face --out datasets/vggface2
    python -m sfpn train finetune datasets/vggface2:train --start-from runs/ms1m --out runs/vggface2

MS1M's RecordIO container is read once, by `build`: shards hold the same encoded pictures, but are checked, need no
index in memory, and are read like any other dataset. MS1M's pictures are aligned face crops: where the face box lies in
one is known, so they need no detector, and pictures of a dataset that was built without one are taken for such crops.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace

from sfpn.commands.options import add_settings, settings_of
from sfpn.commands.stages.measuring import (
    add_measuring_arguments,
    add_run_arguments,
    measuring_of,
    tell,
    use_threads,
)
from sfpn.data.selection import Selection
from sfpn.errors import UserError
from sfpn.machine import processors
from sfpn.training.identify.run import train
from sfpn.training.identify.trainer import MACHINE, RECIPE, IdentifyConfig

MORE_THAN_70_IMAGES = 71  # the paper's choice among MS1M's identities: 35,000 with 3.16 million images
MIN_IMAGES = {"pretrain": MORE_THAN_70_IMAGES, "finetune": 1}
START_FROM = {"pretrain": "random"}  # stage 2 has no default: it must be given weights


def add_arguments(parser: argparse.ArgumentParser, stage: str) -> None:
    """Options of `python -m sfpn train pretrain` and `finetune`."""
    parser.add_argument(
        "datasets", nargs="+", metavar="DIR[:SPLIT]", help="dataset folders (python -m data_tools build)"
    )
    add_run_arguments(parser, model="base")
    start = START_FROM.get(stage)
    text = "random, imagenet (torchvision's SqueezeNet 1.1), a run's folder, a weights file or a bundled name"
    parser.add_argument(
        "--start-from",
        metavar="START",
        required=start is None,
        default=start,
        help=f"{text} (default: {start})" if start else text,
    )
    recipe = parser.add_argument_group(
        "the recipe", "what the result depends on; the defaults are the paper's where it says"
    )
    add_settings(recipe, IdentifyConfig, RECIPE, min_images=MIN_IMAGES[stage])
    machine = parser.add_argument_group(
        "the machine", "what the result does not depend on, up to rounding and the statistics of batch normalisation"
    )
    add_settings(machine, IdentifyConfig, MACHINE, workers=default_workers())
    add_measuring_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Train, and when the run is over write weights and card; 0 when done or stopped. Raises UserError."""
    use_threads(args)
    measuring = measuring_of(args)
    parts = [Selection.open(text) for text in args.datasets]
    tell(train(args.stage, config_of(args), parts, args.out, measuring))
    return 0


def default_workers() -> int:
    """Of a process: its share of the processors that may be used, from 1 to 8."""
    return processors(8, share=int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


def config_of(args: argparse.Namespace) -> IdentifyConfig:
    """The frozen settings in the options. Raises UserError for numbers that make no run."""
    config = IdentifyConfig(**settings_of(args, IdentifyConfig), depthwise=args.model == "depthwise")
    config = replace(config, rates=tuple(config.rates))
    if not 0 < config.validation < 1:
        raise UserError(
            f"--validation {config.validation:g} must lie between 0 and 1: a share of each identity's images"
        )
    if not 0 <= config.dropout < 1 or min(config.rates) <= 0 or config.epochs <= 0:
        raise UserError("--dropout must lie in 0-1, and --rates and --epochs must be above 0")
    return config
