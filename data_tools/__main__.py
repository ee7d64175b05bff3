"""Builds pose-labelled face datasets.

python -m data_tools build cfp|vggface2|ms1m|lfw|folder|hub SOURCE --out DIR
python -m data_tools check DIR
python -m data_tools synthesize --out DIR
python -m data_tools poses DIR
python -m data_tools push DIR USER/REPO
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from sfpn.data.shard import several_processes
from sfpn.errors import UserError

COMMANDS = {
    "build": "data_tools.cli",
    "check": "data_tools.check",
    "synthesize": "data_tools.synthetic.cli",
    "poses": "data_tools.poses",
    "push": "data_tools.push",
}
SHARED = ("build",)  # commands whose work the processes of a launch share


def main(argv: list[str] | None = None) -> int:
    """Run one command: 0 when it worked, 2 for bad input (one line on stderr), 130 when interrupted."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m data_tools", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "command",
        choices=COMMANDS,
        help="build: from a published layout; check: what may be wrong; synthesize: drawn people; "
        "poses: estimate anew; push: to the Hub",
    )
    name = parser.parse_args(argv[:1]).command
    command = importlib.import_module(COMMANDS[name])
    options = argparse.ArgumentParser(
        prog=f"python -m data_tools {name}", description=(command.__doc__ or "").splitlines()[0]
    )
    command.add_arguments(options)
    args = options.parse_args(argv[1:])
    try:
        if name not in SHARED and several_processes() and int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise UserError(f"{name} runs in one process and cannot share its work: start it without a launcher")
        return command.run(args)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; an unfinished build goes on with --resume", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
