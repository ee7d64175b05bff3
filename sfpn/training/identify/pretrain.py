"""python -m sfpn train pretrain: stage 1 of the paper, on MS1M-RetinaFace from ImageNet's weights.

    python -m data_tools build ms1m FOLDER --no-detect --out datasets/ms1m
    python -m sfpn train pretrain datasets/ms1m --start-from imagenet --out runs/ms1m

The RecordIO container is read once, by `build`: shards hold the same encoded pictures, but are checked, need no index
in memory, and are read like any other dataset. MS1M's pictures are aligned face crops: where the face box lies in one is
known, so that they need no detector, and the pictures of a dataset that was built without one are taken for such crops.
"""

from __future__ import annotations

import argparse

from sfpn.training.identify.options import add_identify_arguments
from sfpn.training.identify.run import run as run

MORE_THAN_70_IMAGES = 71  # the paper's choice among MS1M's identities: 35,000 with 3.16 million images


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m sfpn train pretrain`."""
    add_identify_arguments(parser, MORE_THAN_70_IMAGES, "random")
