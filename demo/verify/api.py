"""The public endpoint /verify, for gradio_client and other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial

import gradio as gr

from demo.common.handlers import ONE_AT_A_TIME
from demo.common.photo_inputs import PhotoFiles
from demo.common.photo_memory import SIDE_BYTES, SIDE_PIXELS
from demo.common.uploads import discard, size_of, take_upload
from demo.loaded import Loaded
from sfpn.errors import UserError
from sfpn.network.embedders import Embedder
from sfpn.photos.detector import FaceDetector
from sfpn.photos.photo import EncodedPhoto, count_pixels, decode_photo
from sfpn.verification.decision import DEFAULT_FMR
from sfpn.verification.verifier import Shot, Verifier, check_counts, look
from sfpn.verification.wording import record

HELP = """
```python
from gradio_client import Client, handle_file

client = Client("http://127.0.0.1:7860")  # this page's address
client.predict([handle_file("a.jpg")], [handle_file("b.jpg")], {model}, 0.001, api_name="/verify")
```
Each side is a list of 1 to 10 photos of one person; then the model and the target FMR. The answer is one object with
`score`, `threshold`, `match`, `pose_pair`, `fmr`, `fnmr`, their counts, `model` and both `faces`; a photo that cannot
be used is named in the error. On the command line: `python -m sfpn verify a.jpg b.jpg --json`.
"""


def add_endpoint(loaded: Loaded) -> None:
    """Register /verify and explain it on the tab."""
    with gr.Accordion("Use it from a program", open=False):
        gr.Markdown(HELP.format(model=json.dumps(loaded.default_model).replace("`", "")))
    with gr.Row(visible=False):
        files = [PhotoFiles(label=label, file_count="multiple") for label in ("photos_a", "photos_b")]
        model = gr.Textbox(loaded.default_model, label="model")
        fmr = gr.Number(DEFAULT_FMR, label="fmr")
        answer = gr.JSON(label="comparison")
        gr.Button().click(
            partial(verify, loaded.models, loaded.detector),
            [*files, model, fmr],
            answer,
            api_name="verify",
            api_description=verify.__doc__,
            **ONE_AT_A_TIME,
        )


def verify(
    models: Mapping[str, Embedder],
    detector: FaceDetector,
    photos_a: list[str],
    photos_b: list[str],
    model: str,
    fmr: float,
) -> dict:
    """Compare two sides of 1 to 10 photos.

    Returns score, threshold, match, pose_pair, fmr, fnmr, their counts, model and faces.
    """
    paths_a, paths_b = photos_a or [], photos_b or []
    try:
        if model not in models:
            raise UserError(f"{model}: no such model here; there are {', '.join(models)}")
        if not isinstance(fmr, (int, float)):
            raise UserError(f"fmr: {fmr} is no number; give the target FMR, e.g. {DEFAULT_FMR}")
        check_counts(len(paths_a), len(paths_b))
        files = _take([*paths_a, *paths_b])
        shots = {path: _shot(detector, *file) for path, file in files.items()}
        first, second = ([shots[path] for path in side] for side in (paths_a, paths_b))
        return record(Verifier(models[model], detector).compare(first, second, fmr))
    except UserError as error:
        raise gr.Error(str(error), print_exception=False) from error
    finally:
        discard([*paths_a, *paths_b])


def _take(paths: list[str]) -> dict[str, tuple[str, bytes]]:
    """Names and contents of uploads by path. Raises UserError, before any is decoded, if they are too much together."""
    paths = list(dict.fromkeys(paths))
    if sum(map(size_of, paths)) > 2 * SIDE_BYTES:
        raise UserError(
            f"the photos have more than {2 * SIDE_BYTES / 1e6:.0f} MB together; give fewer, or smaller ones"
        )
    files = {path: take_upload(path) for path in paths}
    if sum(count_pixels(encoded, name) for name, encoded in files.values()) > 2 * SIDE_PIXELS:
        raise UserError(
            f"the photos have more than {2 * SIDE_PIXELS / 1e6:.0f} megapixels together; give fewer, or smaller ones"
        )
    return files


def _shot(detector: FaceDetector, name: str, encoded: bytes) -> Shot:
    """The faces of a photo, whose pixels do not stay in memory."""
    shot = look(detector, decode_photo(encoded, name))
    return Shot(EncodedPhoto(name, encoded, shot.photo.size, shot.turned_degrees), shot.faces, shot.chosen)
