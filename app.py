"""Opens the app: python app.py [--model NAME_OR_PATH ...] [--dataset DIR] [--report DIR ...] [--port PORT].

Without options it shows the bundled models, the synthetic dataset and the reports that ship with the project.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from demo.start import check_address, name_temporary_folder, own_temporary_folder

# Read by Gradio and the Hugging Face libraries when they are imported: no telemetry, no look-ups.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
name_temporary_folder()

import gradio as gr  # noqa: E402

from demo.common.dataset_view import DatasetView  # noqa: E402
from demo.common.embedding_store import EmbeddingStore  # noqa: E402
from demo.common.uploads import own_uploads  # noqa: E402
from demo.embeddings import tab as embeddings  # noqa: E402
from demo.examples import ASSETS, load_examples  # noqa: E402
from demo.explore import tab as explore  # noqa: E402
from demo.links import EMBEDDINGS, EXPLORE, MODEL, POSE_ERRORS, VERIFY, make_links  # noqa: E402
from demo.loaded import Loaded  # noqa: E402
from demo.model import tab as model_card  # noqa: E402
from demo.pose_errors import tab as pose_errors  # noqa: E402
from demo.pose_errors.saved_reports import saved_reports  # noqa: E402
from demo.terms import explain_terms  # noqa: E402
from demo.theme import STYLE_SHEET, make_theme  # noqa: E402
from demo.verify import tab as verify  # noqa: E402
from sfpn.data.dataset import FaceDataset  # noqa: E402
from sfpn.errors import UserError  # noqa: E402
from sfpn.evaluation.report import Report  # noqa: E402
from sfpn.network.checkpoint import bundled_names  # noqa: E402
from sfpn.network.embedders import load_embedder  # noqa: E402
from sfpn.photos.detector import FaceDetector  # noqa: E402
from sfpn.photos.photo import MAX_BYTES  # noqa: E402

TITLE = "SqueezeFacePoseNet"
HEADER = """<header class="page-header"><h1>SqueezeFacePoseNet</h1>
<p>Are two portraits of the same person, even when one is seen from the front and the other in profile?
A network of a few megabytes answers, and says how often it errs for just this pair of poses.</p></header>"""
UPLOAD_LIFETIME = 600  # seconds; uploads are deleted as soon as they are read, this catches what was never read
BAD_INPUT = 2


@dataclass(frozen=True)
class Options:
    """What to load, and where to listen."""

    models: tuple[str, ...]
    dataset: Path | None
    reports: tuple[Path, ...]
    host: str | None
    port: int | None


def parse(arguments: list[str] | None = None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        "app.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
    parser.add_argument("--host", help="address to listen on (default: this computer only)")
    parser.add_argument("--port", type=int, help="port (default: the first free one from 7860 on)")
    args = parser.parse_args(arguments)
    synthetic = ASSETS / "synthetic"
    dataset = args.dataset or (synthetic if any(synthetic.glob("data*.parquet")) else None)
    bundled = sorted(file.parent for file in (ASSETS / "reports").glob("*/report.json"))
    return Options(
        models=tuple(args.model or bundled_names()),
        dataset=dataset,
        reports=tuple(args.report or [*bundled, *(saved_reports(dataset) if dataset else [])]),
        host=args.host,
        port=args.port,
    )


def load(options: Options) -> Loaded:
    """Load everything named in the options. Raises UserError."""
    if not options.models:
        raise UserError("no model is bundled; give one with --model PATH")
    embedders = [load_embedder(name) for name in options.models]
    models = {embedder.name: embedder for embedder in embedders}
    if len(models) < len(embedders):
        raise UserError(
            f"--model: two of these have the same name in their cards: {', '.join(options.models)}; rename one"
        )
    return Loaded(
        models=models,
        detector=FaceDetector(),
        dataset=FaceDataset.open(options.dataset) if options.dataset else None,
        reports=tuple(Report.load(folder) for folder in options.reports),
        examples=load_examples(),
    )


def build(loaded: Loaded) -> gr.Blocks:
    """The page with its tabs."""
    own_uploads()
    view = DatasetView.open(loaded.dataset) if loaded.dataset else None
    if view:
        gr.set_static_paths([view.thumbnails])
    store = EmbeddingStore(view, loaded.models) if view else None
    with gr.Blocks(title=TITLE, delete_cache=(UPLOAD_LIFETIME, UPLOAD_LIFETIME)) as page:
        gr.HTML(HEADER)
        links = make_links()
        with links.tabs:
            with gr.Tab("Verify", id=VERIFY):
                verify.build(loaded, links)
            with gr.Tab("Explore", id=EXPLORE):
                explore.build(store, links)
            with gr.Tab("Embeddings", id=EMBEDDINGS) as tab:
                embeddings.build(store, loaded.detector, links, tab)
            with gr.Tab("Pose errors", id=POSE_ERRORS) as tab:
                pose_errors.build(loaded.reports, store, links, tab)
            with gr.Tab("Model", id=MODEL):
                model_card.build(loaded.models)
        links.listen(page)
    return page


def main(arguments: list[str] | None = None) -> int:
    """Load, build and serve until interrupted; 2 for bad input (one line on stderr)."""
    options = parse(arguments)
    try:
        check_address(options.host, options.port)
        with own_temporary_folder():
            serve(build(load(options)), options)
    except UserError as error:
        print(f"app.py: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:  # while loading; later Gradio itself stops on it
        pass
    return 0


def serve(page: gr.Blocks, options: Options) -> None:
    """Serve until interrupted or terminated. Raises UserError when there is no port to listen on."""
    page.queue(default_concurrency_limit=4, max_size=64)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that temporary files are removed then too
    try:
        page.launch(**launch_settings(), server_name=options.host, server_port=options.port)
    except OSError as error:
        why = error.strerror or "all of 7860 to 7959 are in use"
        raise UserError(f"no free port to listen on ({why}): name one with --port") from error


def launch_settings() -> dict:
    """How the page is served: bounded uploads, nothing recorded, nothing shared."""
    return {
        "theme": make_theme(),
        "css_paths": STYLE_SHEET,
        "js": explain_terms(),
        "max_file_size": MAX_BYTES,
        "run_history": False,
        "enable_monitoring": False,
        "share": False,
        "pwa": False,
        "footer_links": ["api", "settings"],
        "state_session_capacity": 200,
    }


if __name__ == "__main__":
    sys.exit(main())
