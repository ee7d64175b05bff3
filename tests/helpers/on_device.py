"""The tab On your device as a page in Chromium, driven through its own worker, beside the same steps in Python."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import io
import os
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo.on_device.__main__ import bundled
from demo.on_device.runtime import FETCH, cache_folder, is_fetched, runtime_folder
from demo.on_device.static_page import export_page
from sfpn.data.dataset import FaceDataset
from sfpn.errors import UserError
from sfpn.photos.photo import decode_photo
from sfpn.verification import wording
from sfpn.verification.verifier import Shot, Verifier, look

DRAWN = Path(__file__).resolve().parents[2] / "demo" / "assets" / "synthetic"
MODEL = "depthwise"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
LOAD = """async () => {
  const { Client } = await import('./client.js');
  window.client = new Client(await (await fetch('manifest.json')).json());
  await Promise.all([client.load(), client.model('depthwise')]);
}"""
LOOK = """async ([id, encoded, name]) => {
  const blob = new Blob([Uint8Array.from(atob(encoded), c => c.charCodeAt(0))]);
  try {
    const { faces, chosen, size, milliseconds } = await client.ask('look', { id, blob, name, model: 'depthwise' });
    return { faces, chosen, size, milliseconds };
  } catch (error) { return { error: error.message }; }
}"""
COMPARE = """async ([first, second]) => {
  const w = await import('./wording.js'), { decide } = await import('./decision.js');
  const { score, rule, embeddings, milliseconds } = await client.ask(
    'compare', { model: 'depthwise', first: [first], second: [second], target: 0.001, debug: true });
  const words = [w.headline(rule, score), w.explanation(rule, score), w.errorRates(rule), w.provenance(rule)];
  return { score, words, threshold: rule.point.threshold, decision: decide(rule, score), milliseconds,
    embeddings: embeddings.map(side => [...side[0]]) };
}"""


@dataclass(frozen=True)
class Difference:
    """Between the browser and Python, of one photo: pixels, degrees, cosine of the embeddings."""

    name: str
    box: float
    landmarks: float
    yaw: float
    cosine: float
    score: float  # of the pair with the photo before it
    same_decision: bool  # of that pair
    same_words: bool  # all sentences of that pair
    milliseconds: float  # decoding, faces, poses and crop in the browser


def require_runtime() -> Path:
    """The cache folder with the runtime; skips the test where it was not fetched."""
    cache = cache_folder()
    if not is_fetched(cache):
        pytest.skip(f"needs ONNX Runtime for the browser: {FETCH}")
    return cache


def private_cache(folder: Path) -> Path:
    """A cache folder of the test's own (what XDG_CACHE_HOME names is above it), with the fetched runtime."""
    cache = folder / "squeezefaceposenet"
    shutil.copytree(runtime_folder(require_runtime()), runtime_folder(cache))
    return cache


@contextlib.contextmanager
def static_page(folder: Path, cache: Path, models: Sequence[str] = (MODEL,)) -> Iterator[str]:
    """The address of the exported page, served as any web server would."""
    export_page(folder, bundled(cache, list(models)), cache)
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript"}

    def log_message(self, format: str, *args: object) -> None:
        pass


def drawn_photos(count: int) -> list[tuple[str, bytes]]:
    """Encoded drawn faces, spread over people and poses."""
    dataset = FaceDataset.open(DRAWN)
    row_ids = sorted(dataset.rows()["row_id"])
    chosen = [row_ids[i] for i in np.linspace(0, len(row_ids) - 1, count).astype(int)]
    return [(picture.row_id, picture.encoded) for picture in dataset.pictures(set(chosen))]


def awkward_photos() -> list[tuple[str, bytes]]:
    """Drawn faces large, turned, in a panorama, behind transparency, at the border, half hidden, and none at all."""
    [(_, encoded), (_, other)] = drawn_photos(2)
    face, second = (Image.open(io.BytesIO(each)).convert("RGB") for each in (encoded, other))
    wide = Image.new("RGB", (1400, 300), (90, 120, 140))
    wide.paste(face, (150, 60))
    wide.paste(second, (1000, 70))
    see_through = face.resize((500, 400)).convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(see_through.size))
    turned = face.resize((640, 640), Image.Resampling.BICUBIC).transpose(Image.Transpose.ROTATE_90)
    found = {
        "large": face.resize((3203, 2751), Image.Resampling.BICUBIC),
        "large, its sides halved": face.resize((3200, 2752), Image.Resampling.BICUBIC),
        "middling": face.resize((1300, 1201), Image.Resampling.BICUBIC),
        "turned": turned,
        "panorama": wide,
        "see-through": see_through,
        "at the border": second.resize((700, 700)).crop((180, 120, 560, 640)),
        "half hidden": _half_hidden("syn-0029-profile-01"),
        "empty": Image.new("RGB", (400, 300), (120, 130, 140)),
    }
    return [(name, _png(picture)) for name, picture in found.items()]


def _half_hidden(row_id: str) -> Image.Image:
    """A face whose pose is doubtful, so that it is seen from boxes to either side."""
    [picture] = FaceDataset.open(DRAWN).pictures({row_id})
    image = picture.decode()
    image.paste((128, 128, 128), (int(0.58 * image.width), 0, *image.size))
    return image


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def differences(page, photos: Sequence[tuple[str, bytes]]) -> list[Difference]:
    """What browser and Python make of the photos; asserts that both refuse the same ones, with the same words."""
    verifier = Verifier.from_pretrained(MODEL)
    found: list[Difference] = []
    before: tuple[int, Shot] | None = None
    for number, (name, encoded) in enumerate(photos):
        seen = page.evaluate(LOOK, [number, base64.b64encode(encoded).decode(), name])
        try:
            shot = look(verifier.detector, decode_photo(encoded, name))
        except UserError as error:
            assert seen.get("error") == str(error), name
            continue
        assert "error" not in seen, (name, seen)
        assert (seen["size"], len(seen["faces"]), seen["chosen"]) == (
            list(shot.photo.size),
            len(shot.faces),
            shot.chosen,
        ), name
        last, last_shot = before or (number, shot)
        found.append(_difference(page, verifier, name, seen, (last, number), (last_shot, shot)))
        before = number, shot
    return found


def _difference(page, verifier: Verifier, name: str, seen: dict, ids: tuple[int, int], shots: tuple[Shot, Shot]):
    face, theirs = shots[1].face, seen["faces"][seen["chosen"]]
    judged = page.evaluate(COMPARE, list(ids))
    comparison = verifier.compare([shots[0]], [shots[1]])
    words = [
        wording.headline(comparison.decision),
        wording.explanation(comparison.rule, comparison.score),
        wording.error_rates(comparison.rule.point),
        wording.provenance(comparison.rule),
    ]
    mine = comparison.sides[1].embeddings[0]
    return Difference(
        name,
        box=float(np.abs(np.subtract(theirs["box"], face.box_xyxy)).max()),
        landmarks=float(np.abs(np.subtract(theirs["landmarks"], face.landmarks_xy)).max()),
        yaw=abs(theirs["head"]["yaw"] - face.yaw_degrees),
        cosine=float(mine @ np.array(judged["embeddings"][1])),
        score=abs(judged["score"] - comparison.score),
        same_decision=judged["decision"] == comparison.decision,
        same_words=all(map(alike, judged["words"], words)),
        milliseconds=sum(seen["milliseconds"].values()),
    )


def alike(first: str, second: str) -> bool:
    """The same words, and numbers that differ by no more than rounding: 0.002, or one where they are whole."""
    numbers = [[float(each) for each in NUMBER.findall(words.replace(",", ""))] for words in (first, second)]
    if NUMBER.sub("#", first.replace(",", "")) != NUMBER.sub("#", second.replace(",", "")):
        return False
    return all(abs(a - b) <= (1 if a == int(a) and b == int(b) else 0.002) for a, b in zip(*numbers, strict=True))


def table(rows: dict[str, list[Difference]]) -> str:
    """The largest differences of each group and how many agree, in Markdown."""
    lines = [
        "| photos | box px | landmarks px | yaw degrees | score | lowest cosine "
        "| cosine >= 0.999 | decision | all words |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in rows.items():
        worst = [max(getattr(each, field) for each in found) for field in ("box", "landmarks", "yaw", "score")]
        near = sum(each.cosine >= 0.999 for each in found)
        same = [sum(getattr(each, field) for each in found) for field in ("same_decision", "same_words")]
        lines.append(
            f"| {len(found)} {name} | {worst[0]:.4f} | {worst[1]:.4f} | {worst[2]:.3f} | {worst[3]:.6f} | "
            f"{min(each.cosine for each in found):.6f} | {near} | {same[0]} | {same[1]} |"
        )
    return "\n".join(lines)


def cfp_photos(count: int) -> list[tuple[str, bytes]]:
    """Encoded photos of the CFP dataset, spread over its people, a third of them profiles."""
    from helpers.shared_material import CFP

    files = sorted(CFP.rglob("*.jpg"))
    chosen = [files[i] for i in np.linspace(0, len(files) - 1, count).astype(int)]
    return [(os.path.join(*file.parts[-3:]), file.read_bytes()) for file in chosen]
