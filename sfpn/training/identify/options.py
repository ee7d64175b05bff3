"""Options of python -m sfpn train pretrain and finetune, and the frozen settings that they become."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from sfpn.errors import UserError
from sfpn.training.finish import add_measuring_arguments
from sfpn.training.identify.heads import LOSSES
from sfpn.training.identify.plateau import RATES
from sfpn.training.identify.trainer import IdentifyConfig
from sfpn.training.processes import PRECISIONS


def add_identify_arguments(parser: argparse.ArgumentParser, min_images: int, start_from: str | None) -> None:
    """All options; `min_images` and `start_from` are the stage's defaults, None where one must be given."""
    parser.add_argument(
        "datasets", nargs="+", metavar="DIR[:SPLIT]", help="dataset folders (python -m data_tools build)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="RUN")
    parser.add_argument("--model", choices=("base", "depthwise"), default="base")
    text = "random, imagenet (torchvision's SqueezeNet 1.1), a run's folder, a weights file or a bundled name"
    default = f" (default: {start_from})" if start_from else ""
    parser.add_argument(
        "--start-from", metavar="START", required=not start_from, default=start_from, help=text + default
    )
    _add_recipe(parser, min_images)
    _add_machine(parser)
    add_measuring_arguments(parser)


def _add_recipe(parser: argparse.ArgumentParser, min_images: int) -> None:
    group = parser.add_argument_group(
        "the recipe", "what the result depends on; the defaults are the paper's where it says"
    )
    default = IdentifyConfig()
    group.add_argument(
        "--loss", choices=LOSSES, default=default.loss, help="margins: arcface, cosface, adaface (default: softmax)"
    )
    group.add_argument("--margin", type=float, help="default: that of the loss's paper")
    group.add_argument(
        "--batch", type=_positive, default=default.batch, help="images per step, over all processes (default: 128)"
    )
    group.add_argument(
        "--rates",
        type=float,
        nargs="+",
        default=RATES,
        help="learning rates, each until the validation loss is flat (default: %(default)s)",
    )
    group.add_argument(
        "--patience",
        type=_positive,
        default=default.patience,
        help="validations without gain that make it flat (default: %(default)s)",
    )
    group.add_argument("--epochs", type=float, default=default.epochs, help="at most (default: %(default)g)")
    group.add_argument(
        "--validation",
        type=float,
        default=default.validation,
        metavar="SHARE",
        help="of each identity's images (default: %(default)s)",
    )
    group.add_argument("--validate-every-images", type=int, default=0, metavar="N", help="default: after each epoch")
    group.add_argument(
        "--min-images",
        type=_positive,
        default=min_images,
        metavar="N",
        help="leave identities with fewer out (default: %(default)s)",
    )
    group.add_argument("--weight-decay", type=float, default=default.weight_decay, help="default: %(default)s")
    group.add_argument("--dropout", type=float, default=default.dropout, help="default: %(default)s")
    group.add_argument(
        "--pose-balanced",
        action="store_true",
        help="draw identities and poses evenly, in pairs of one person in two poses",
    )
    group.add_argument(
        "--consistency",
        type=float,
        default=0.0,
        metavar="WEIGHT",
        help="of the frontal-profile loss within these pairs",
    )
    group.add_argument("--freeze-batch-norm", action="store_true", help="keep the statistics of the start")
    group.add_argument("--no-augment", dest="augment", action="store_false", help="no mirror, middle crop")
    group.add_argument(
        "--buffer-images",
        type=_positive,
        default=default.buffer_images,
        metavar="N",
        help="encoded pictures in memory that are mixed (default: %(default)s)",
    )
    group.add_argument("--seed", type=int, default=0)


def _add_machine(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "the machine", "what the result does not depend on, up to rounding and the statistics of batch normalisation"
    )
    group.add_argument(
        "--accumulate",
        type=_positive,
        default=1,
        metavar="PARTS",
        help="do a batch in so many parts, which takes less memory",
    )
    group.add_argument(
        "--precision", choices=PRECISIONS, help="default: what accelerate launch says, else no (float32)"
    )
    group.add_argument(
        "--workers",
        type=int,
        default=default_workers(),
        help="processes that decode pictures (default here: %(default)s)",
    )
    group.add_argument("--threads", type=int, help="processor threads; default: all")
    group.add_argument(
        "--save-every-seconds", type=float, default=IdentifyConfig.save_every_seconds, help="default: %(default)g"
    )


def default_workers() -> int:
    """Of a process: its share of the processors, at most 8."""
    return min(8, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a whole number above zero, got {text!r}")
    return int(text)


def config_of(args: argparse.Namespace) -> IdentifyConfig:
    """The frozen settings in the options. Raises UserError for numbers that make no run."""
    names = IdentifyConfig.__dataclass_fields__.keys() & vars(args).keys()
    config = IdentifyConfig(**{name: getattr(args, name) for name in names}, depthwise=args.model == "depthwise")
    config = replace(config, rates=tuple(config.rates))
    if not 0 < config.validation < 1:
        raise UserError(
            f"--validation {config.validation:g} must lie between 0 and 1: a share of each identity's images"
        )
    if not 0 <= config.dropout < 1 or min(config.rates) <= 0 or config.epochs <= 0:
        raise UserError("--dropout must lie in 0-1, and --rates and --epochs must be above 0")
    return config
