"""The public endpoint /verify, for gradio_client and other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial

import gradio as gr

from demo.common.handlers import ONE_AT_A_TIME
from demo.loaded import Loaded
from demo.verify.photos import take_files
from sfpn.errors import UserError
from sfpn.network.embedders import Embedder
from sfpn.photos.detector import FaceDetector
from sfpn.photos.photo import decode_photo
from sfpn.verification.decision import DEFAULT_FMR
from sfpn.verification.verifier import Verifier
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
        files = [gr.File(label=label, file_count="multiple") for label in ("photos_a", "photos_b")]
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
        files = take_files([*paths_a, *paths_b])
        if model not in models:
            raise UserError(f"{model}: no such model here; there are {', '.join(models)}")
        photos = [decode_photo(encoded, name) for name, encoded in files]
        first, second = photos[: len(paths_a)], photos[len(paths_a) :]
        return record(Verifier(models[model], detector).verify(first, second, fmr))
    except UserError as error:
        raise gr.Error(str(error), print_exception=False) from error
