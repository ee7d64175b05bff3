"""Lightweight face verification across poses; `COMMAND --help` says more about each command."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from sfpn.errors import UserError

# command -> (module with add_arguments(parser) and execute(args) -> exit status, one line of help)
COMMANDS = {
    "verify": ("sfpn.commands.verify", "compare two photos"),
    "evaluate": ("sfpn.commands.evaluate", "pose-wise error rates of models on a dataset folder"),
    "embed": ("sfpn.commands.embed", "embeddings of a dataset folder"),
    "compare": ("sfpn.commands.compare", "two reports, pair by pair, with the interval of the difference"),
    "report": ("sfpn.commands.report", "one self-contained file about a report: HTML, PDF or Markdown"),
    "train": ("sfpn.commands.train", "train or distil a network"),
    "import-published": ("sfpn.commands.import_published", "turn a published MATLAB file into weights with a card"),
    "make-card": ("sfpn.commands.make_card", "write the card of a model that has none"),
    "push-to-hub": ("sfpn.commands.push_to_hub", "upload a model to the Hugging Face Hub"),
    "export": ("sfpn.commands.export", "write a network as one ONNX file, in float32 or int8"),
    "calibrate": ("sfpn.commands.calibrate", "write operating points and histograms into a card"),
}
BAD_INPUT = 2


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit status: 0 done, 2 bad input (one line on stderr)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(_program(), description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    wanted = arguments[0] if arguments else ""
    for command, (module_name, help_line) in COMMANDS.items():
        subparser = subparsers.add_parser(command, help=help_line)
        if command == wanted:  # only the command that runs is imported
            module = importlib.import_module(module_name)
            subparser.description = module.__doc__
            subparser.formatter_class = argparse.RawDescriptionHelpFormatter
            module.add_arguments(subparser)
            subparser.set_defaults(execute=module.execute)
    parsed = parser.parse_args(arguments)
    try:
        return parsed.execute(parsed)
    except UserError as error:
        print(f"{parser.prog} {parsed.command}: {error}", file=sys.stderr)
        return BAD_INPUT


def _program() -> str:
    """How the command was called, as messages name it."""
    return "sfpn" if Path(sys.argv[0]).stem == "sfpn" else "python -m sfpn"


if __name__ == "__main__":
    sys.exit(main())
