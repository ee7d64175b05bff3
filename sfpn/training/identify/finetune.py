"""python -m sfpn train finetune: stage 2 of the paper, on VGGFace2 from the weights of stage 1.

python -m data_tools build vggface2 FOLDER --require-face --out datasets/vggface2
python -m sfpn train finetune datasets/vggface2:train --start-from runs/ms1m --out runs/vggface2
"""

from __future__ import annotations

import argparse

from sfpn.training.identify.options import add_identify_arguments
from sfpn.training.identify.run import run as run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m sfpn train finetune`."""
    add_identify_arguments(parser, min_images=1, start_from=None)
