"""Opens the app: python app.py [--model NAME_OR_PATH ...] [--dataset DIR] [--report DIR ...] [--port PORT] [--mcp].

Without options it shows the bundled models, the synthetic dataset and the reports that ship with the project.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import Any

from demo.common.gradio_import import import_gradio
from demo.common.memory import hold_little, keep_what_is_loaded
from demo.start import check_address, name_temporary_folder, own_temporary_folder

# Read by Gradio and the Hugging Face libraries when they are imported: no telemetry, no look-ups.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")  # it sums up the last 10,000 after each, though nobody asks
name_temporary_folder()
hold_little()
import_gradio()

import gradio as gr  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402

from demo.api import endpoints  # noqa: E402
from demo.api.tools import serve_tools  # noqa: E402
from demo.common.connections import bound_connections  # noqa: E402
from demo.common.dataset_view import DatasetView  # noqa: E402
from demo.common.embedding_store import EmbeddingStore  # noqa: E402
from demo.common.gate import Book, Gate  # noqa: E402
from demo.common.jobs import LINE  # noqa: E402
from demo.common.links import EMBEDDINGS, EXPLORE, MODEL, ON_DEVICE, POSE_ERRORS, VERIFY, make_links  # noqa: E402
from demo.common.own_models import OwnModels  # noqa: E402
from demo.common.own_models import Rules as ModelRules  # noqa: E402
from demo.common.own_sets import Rules as SetRules  # noqa: E402
from demo.common.own_sets import Sets  # noqa: E402
from demo.common.page import Page  # noqa: E402
from demo.common.photo_inputs import take_any_file  # noqa: E402
from demo.common.rules import LOOPBACK, UPLOAD_BYTES, Rules  # noqa: E402
from demo.common.session_state import lean_sessions  # noqa: E402
from demo.common.sessions import EVENTS_OF_ALL  # noqa: E402
from demo.common.uploads import own_uploads  # noqa: E402
from demo.embeddings import tab as embeddings  # noqa: E402
from demo.examples import load_examples  # noqa: E402
from demo.explore import tab as explore  # noqa: E402
from demo.loaded import Loaded  # noqa: E402
from demo.model import tab as model_card  # noqa: E402
from demo.on_device import tab as on_device  # noqa: E402
from demo.on_device.runtime import CDN  # noqa: E402
from demo.open_set import panel as open_set  # noqa: E402
from demo.options import Options, on_space, parse  # noqa: E402
from demo.pose_errors import tab as pose_errors  # noqa: E402
from demo.terms import explain_terms  # noqa: E402
from demo.theme import STYLE_SHEET, make_theme  # noqa: E402
from demo.verify import tab as verify  # noqa: E402
from demo.zero_gpu import lend_to, lender  # noqa: E402
from sfpn.data.dataset import FaceDataset  # noqa: E402
from sfpn.errors import UserError  # noqa: E402
from sfpn.evaluation.report import Report  # noqa: E402
from sfpn.network.embedders import load_embedder  # noqa: E402
from sfpn.photos.detector import FaceDetector  # noqa: E402
from sfpn.photos.photo import MAX_BYTES  # noqa: E402

TITLE = "SqueezeFacePoseNet"
HEADER = """<header class="page-header"><h1>SqueezeFacePoseNet</h1>
<p>Are two portraits of the same person, even when one is seen from the front and the other in profile?
A network of a few megabytes answers, and says how often it errs for just this pair of poses.</p></header>"""
HUB_FRAMES = ("https://huggingface.co", "https://*.hf.space")  # show a Space inside their own pages
PRIVATE_NETWORKS = "127.0.0.1,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"  # where a Space's proxy is
OWN_SETS, PUBLIC_SETS = 8, 4  # open at once
BAD_INPUT = 2


def load(options: Options) -> Loaded:
    """Load everything named in the options. Raises UserError."""
    if not options.models:
        raise UserError("no model is bundled; give one with --model PATH")
    lender()
    embedders = [load_embedder(name) for name in options.models]
    lend_to(embedders)
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
        public=options.public,
        own_sets=set_rules(options),
        own_models=model_rules(options),
        weights=dict(zip(models, options.models, strict=True)),
        cdn=options.cdn,
    )


def set_rules(options: Options) -> SetRules | None:
    """What visitors may bring: the builder of data_tools, which the demo does not know, and its bounds."""
    photos, size = options.own_set
    if not photos:
        return None
    from data_tools.mend import mend
    from data_tools.own_set import FINDERS, Bounds, build_own_set

    builder = partial(build_own_set, bounds=Bounds(photos, size), parquet=not options.public)
    at_once = PUBLIC_SETS if options.public else OWN_SETS
    return SetRules(
        builder,
        partial(mend, find_face=FINDERS.find),
        size,
        photos,
        at_once,
        hub=options.own_hub,
        parquet=not options.public,
    )


def model_rules(options: Options) -> ModelRules | None:
    """What of models visitors may bring: nothing on a page that anybody may open."""
    if options.public or not options.own_model_megabytes:
        return None
    return ModelRules(1_000_000 * options.own_model_megabytes)


def build(loaded: Loaded) -> gr.Blocks:
    """The page with its tabs."""
    own_uploads()
    lean_sessions()
    bound_connections()
    view = DatasetView.open(loaded.dataset) if loaded.dataset else None
    if view:
        gr.set_static_paths([view.thumbnails])
    writable = view is not None and not loaded.public and can_write(view.dataset.folder)
    store = EmbeddingStore(view, loaded.models, writable, computes=not loaded.public) if view else None
    models = OwnModels(loaded.models, loaded.own_models)
    sets = Sets(store, pose_errors.named_reports(loaded.reports, store), loaded.models, loaded.own_sets, models)
    with Page(title=TITLE) as page:
        page.own_sets, page.own_models = sets, models
        gr.HTML(HEADER)
        links = make_links()
        open_set.build(sets, links)
        links.tabs.render()
        with links.tabs:
            with gr.Tab("Verify", id=VERIFY):
                verify.build(loaded, links, sets)
            with gr.Tab("On your device", id=ON_DEVICE):
                on_device.build(loaded)
            with gr.Tab("Explore", id=EXPLORE) as tab:
                explore.build(sets, loaded.detector, links, tab)
            with gr.Tab("Embeddings", id=EMBEDDINGS) as tab:
                embeddings.build(sets, loaded.detector, links, tab)
            with gr.Tab("Pose errors", id=POSE_ERRORS) as tab:
                pose_errors.build(sets, links, tab)
            with gr.Tab("Model", id=MODEL) as tab:
                model_card.build(sets, links, tab)
        endpoints.build(loaded, view)
        links.listen(page)
    return page


def main(arguments: list[str] | None = None) -> int:
    """Load, build and serve until interrupted; 2 for bad input (one line on stderr)."""
    options = parse(arguments, __doc__)
    try:
        check_address(options.host, options.port)
        with Signals() as signals, own_temporary_folder():
            if options.mcp:
                serve_tools()
            serve(build(load(options)), options, signals)
    except UserError as error:
        print(f"app.py: {error}", file=sys.stderr)
        return BAD_INPUT
    return 0


class Signals:
    """Ctrl-C and the request to end: while `serving`, they set `stop`; before, they end the program at once."""

    def __init__(self) -> None:
        self.stop, self.serving = threading.Event(), False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _: object) -> None:
        if not self.serving:
            raise SystemExit(0)
        self.stop.set()


def serve(page: gr.Blocks, options: Options, signals: Signals) -> None:
    """Serve until asked to end, then end what is at work, within three seconds.

    Raises UserError when there is no port to listen on.
    """
    if on_space():
        os.environ.setdefault("FORWARDED_ALLOW_IPS", PRIVATE_NETWORKS)  # the visitors' addresses, not its own
    page.queue(**queue_settings())
    where = {"server_name": options.host, "server_port": options.port}
    signals.serving = True
    try:
        page.launch(**launch_settings(options), **where, prevent_thread_lock=True, mcp_server=options.mcp)
    except OSError as error:
        why = error.strerror or "all of 7860 to 7959 are in use"
        raise UserError(f"no free port to listen on ({why}): name one with --port") from error
    keep_what_is_loaded()
    while not signals.stop.wait(0.5):  # without a limit, some systems do not wake up for signals
        pass
    LINE.end_all(1.0)
    for name in ("own_sets", "own_models"):
        if brought := getattr(page, name, None):
            brought.close_all()
    if page.server:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # it reports what it cuts off as a failure
        page.server.force_exit = True  # open pages would keep their connections
    page.close(verbose=False)


def queue_settings() -> dict:
    """How many handlers run at once and wait."""
    return {"default_concurrency_limit": 4, "max_size": 2 * EVENTS_OF_ALL, "api_open": False}


def rules(options: Options) -> Rules:
    """Under which names the page is served, and in whose frames."""
    names = {*LOOPBACK, *map(str.lower, options.allowed_hosts)}
    names |= {name.lower() for name in (os.environ.get("SPACE_HOST", ""), options.host or "") if name}
    everywhere = options.host in ("0.0.0.0", "::") or on_space()
    return Rules(
        frozenset(names),
        everywhere,
        frames=HUB_FRAMES if on_space() else (),
        loads_from=(CDN,) if options.cdn else (),
        secure=on_space(),
        upload_bytes=max(UPLOAD_BYTES, largest_file(options)),
    )


def largest_file(options: Options) -> int:
    """Bytes of what a visitor may bring: a set or a model."""
    return max(options.own_set[1], 1_000_000 * options.own_model_megabytes) + 1_000_000


def can_write(folder: Path) -> bool:
    """Whether a new file can be put there."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def launch_settings(options: Options | None = None) -> dict:
    """How the page is served: behind the gate, bounded uploads, nothing recorded, nothing shared."""
    options = options or Options()
    return {
        "theme": make_theme(),
        "css_paths": STYLE_SHEET,
        "js": f"() => {{ ({explain_terms()})(); ({take_any_file()})(); }}",
        "max_file_size": max(MAX_BYTES, largest_file(options)),
        "run_history": False,
        "enable_monitoring": False,
        "share": False,
        "pwa": False,
        "ssr_mode": False,
        "footer_links": ["api", "settings"],
        "state_session_capacity": 2 * EVENTS_OF_ALL,  # demo.common.sessions forgets long before
        "app_kwargs": {"middleware": [Middleware(Gate, rules=rules(options), book=Book())]},
    }


if __name__ == "__main__":
    CODE = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(CODE)  # a library amid a long step would keep Python from ending, or crash while it ends
