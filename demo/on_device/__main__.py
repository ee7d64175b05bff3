"""What the tab "On your device" needs, fetched and made; and the tab as a page without Python.

    python -m demo.on_device fetch          # ONNX Runtime for the browser, one pinned version, and the bundled models
    python -m demo.on_device export page    # a folder that any web server serves

Both keep their files below XDG_CACHE_HOME (by default ~/.cache), or where --cache says.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from demo.examples import load_examples
from demo.on_device.bundle import Bundle, make_bundle
from demo.on_device.runtime import FETCH, REGISTRY, VERSION, cache_folder, fetch, is_fetched
from demo.on_device.static_page import export_page
from sfpn.errors import UserError
from sfpn.network.checkpoint import bundled_names

BAD_INPUT = 2


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; 2 for bad input (one line on stderr)."""
    args = parse(arguments)
    try:
        return args.run(args)
    except UserError as error:
        print(f"demo.on_device: {error}", file=sys.stderr)
        return BAD_INPUT


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        "python -m demo.on_device", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--cache", type=Path, default=cache_folder(), metavar="FOLDER", help="default: %(default)s")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("fetch", parents=[shared], help=f"fetch ONNX Runtime {VERSION} for the browser")
    one.add_argument("--registry", default=REGISTRY, metavar="URL", help="npm registry (default: %(default)s)")
    one.add_argument("--archive", type=Path, metavar="FILE.tgz", help="the package, where it was fetched elsewhere")
    one.set_defaults(run=run_fetch)
    other = commands.add_parser("export", parents=[shared], help="the tab as a folder for any web server")
    other.add_argument("folder", type=Path, metavar="DIR", help="new folder to write")
    other.add_argument("--model", nargs="+", metavar="NAME_OR_PATH", help="models to offer (default: all bundled)")
    other.set_defaults(run=run_export)
    third = commands.add_parser(
        "make", parents=[shared], help="only the networks; the app runs it when they are asked for"
    )
    third.add_argument("--named", nargs=2, action="append", required=True, metavar=("NAME", "WEIGHTS"), help="a model")
    third.set_defaults(run=run_make)
    return parser.parse_args(arguments)


def run_fetch(args: argparse.Namespace) -> int:
    """Fetch the runtime, and export the bundled models so that the app has them at once."""
    folder = fetch(args.cache, args.registry, args.archive)
    print(f"{folder}: ONNX Runtime {VERSION} for the browser, checked")
    bundle = bundled(args.cache)
    print(f"{args.cache}: {len(bundle.files)} files for the page; start the app and open the tab On your device")
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Write the page."""
    if not is_fetched(args.cache):
        raise UserError(f"ONNX Runtime for the browser is not in {args.cache}; run: {FETCH}")
    size = export_page(args.folder, bundled(args.cache, args.model), args.cache)
    print(f"{args.folder}: {size / 1e6:.1f} MB; serve it, e.g. with: python -m http.server -d {args.folder}")
    return 0


def run_make(args: argparse.Namespace) -> int:
    """Export the networks that are not in the cache yet."""
    make_bundle(args.cache, dict(args.named), load_examples())
    return 0


def bundled(cache: Path, models: list[str] | None = None) -> Bundle:
    """The bundle of these models, by default of those that ship."""
    return make_bundle(cache, {Path(name).stem: name for name in models or bundled_names()}, load_examples())


if __name__ == "__main__":
    sys.exit(main())
