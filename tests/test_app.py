"""The app around its tabs: options, what it promises about privacy, its endpoints, and handlers of the Verify tab."""

from __future__ import annotations

import ast
import importlib.metadata
import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import gradio as gr
import httpx
import pytest
from gradio.analytics import analytics_enabled
from helpers.drawn_people import drawn, save_drawn
from helpers.paths import ROOT
from helpers.small_models import save_random_model
from packaging.requirements import Requirement
from PIL import Image

import app
from demo.api import verify as verify_api
from demo.api.endpoints import NAMES
from demo.examples import load_examples
from demo.verify import result
from demo.verify import tab as verify
from demo.verify.photo_html import photos_html
from demo.verify.photos import add_photos, add_uploads, see
from demo.verify.side import show
from sfpn.errors import UserError
from sfpn.photos.photo import MAX_BYTES
from sfpn.verification import decision, verifier

OPTIONAL = {"umap", "spaces"}  # used only where it is installed


@pytest.fixture(scope="module")
def model_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    save_random_model(path)
    return path


@pytest.fixture(scope="module")
def loaded(model_file):
    return app.load(app.parse(["--model", str(model_file)]))


def test_front_matter_and_requirements_name_the_installed_gradio():
    pinned = re.search(r"^gradio==(\S+)$", (ROOT / "requirements.txt").read_text(), re.M)[1]
    front_matter = re.search(r"^sdk_version: (\S+)$", (ROOT / "README.md").read_text(), re.M)[1]
    assert pinned == front_matter == gr.__version__


def imported_by(folder: Path) -> set[str]:
    """Top-level packages that any line of a folder imports, at whatever time."""
    found = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
                found.add(node.args[0].value)
    return found - set(sys.stdlib_module_names) - {"demo", "sfpn"}


def test_the_install_of_the_readme_brings_whatever_the_tabs_import():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    waiting = [Requirement(line).name for line in lines if line.strip() and not line.startswith("#")]
    installed = set()
    while waiting:
        name = waiting.pop()
        if name.lower() not in installed:
            installed.add(name.lower())
            needs = map(Requirement, importlib.metadata.requires(name) or ())
            waiting += [r.name for r in needs if not r.marker or r.marker.evaluate({"extra": ""})]
    packages = importlib.metadata.packages_distributions()
    missing = {p for p in imported_by(ROOT / "demo") if not {d.lower() for d in packages.get(p, ())} & installed}
    assert missing - OPTIONAL == set()


def test_quiet_handlers_make_gradio_copy_no_more_than_one_leaf(loaded):
    handlers = app.build(loaded).fns.values()
    quiet = [handler for handler in handlers if handler.show_progress == "hidden"]
    assert len(quiet) > 30
    assert {block.elem_id for handler in quiet for block in handler.show_progress_on} == {"address"}


@pytest.fixture(scope="module")
def client(loaded):
    """A client of the running app."""
    page = app.build(loaded)
    page.launch(**app.launch_settings(), prevent_thread_lock=True, quiet=True)
    with httpx.Client(base_url=page.local_url, trust_env=False, timeout=60) as client:
        yield client
    page.close()


def test_nothing_is_recorded_or_shared(client):
    assert client.get("monitoring").status_code == 403
    config = client.get("config").json()
    assert not config["run_history"] and not config["pwa"] and not config.get("share_url")
    assert "runs" not in config["footer_links"]
    assert not analytics_enabled()


def test_uploads_have_a_largest_size(client):
    for size, status in {501_000_001: 413, 1000: 200}.items():
        answer = client.post("gradio_api/upload", files={"files": ("a.jpg", bytes(size))})
        assert answer.status_code == status, size


@pytest.mark.parametrize(
    ("options", "largest"),
    [(["--own-photos", "0"], MAX_BYTES), (["--public"], 101_000_000), ([], 501_000_000)],
)
def test_the_largest_upload_is_that_of_what_may_be_brought(options, largest):
    """A set where visitors may bring one, else a photo."""
    assert app.launch_settings(app.parse(options))["max_file_size"] == largest


def test_inputs_for_photos_reach_the_page_with_all_their_properties(client):
    components = client.get("config").json()["components"]
    buttons = [c["props"] for c in components if c["type"] == "uploadbutton"]
    assert [(b["elem_id"], b["file_count"]) for b in buttons] == [("more-a", "multiple"), ("more-b", "multiple")]
    counts = {c["props"]["label"]: c["props"]["file_count"] for c in components if c["type"] == "file"}
    assert counts == {"photos_a": "multiple", "photos_b": "multiple", "photo": "single", "ZIP": "single"}


def test_only_the_documented_endpoints_are_public(client):
    """They are those of the table in SECURITY.md, and each has a section in the manual."""
    public = set(client.get("gradio_api/info").json()["named_endpoints"])
    assert public == {f"/{name}" for name in NAMES}
    assert set(re.findall(r"^\| `(/\w+)` \|", (ROOT / "SECURITY.md").read_text(), re.M)) == public
    assert set(re.findall(r"^## `(/\w+)`$", (ROOT / "docs" / "api.md").read_text(), re.M)) == public


@pytest.mark.parametrize(
    "arguments", [["--model", "nowhere.safetensors"], ["--dataset", "nowhere"], ["--report", "nowhere"]]
)
def test_bad_options_are_one_line(arguments, model_file, capsys):
    arguments = arguments if arguments[0] == "--model" else [*arguments, "--model", str(model_file)]
    assert app.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("app.py: ") and error.count("\n") == 1 and "nowhere" in error


def test_two_models_of_one_name_are_refused(model_file):
    with pytest.raises(UserError, match="same name"):
        app.load(app.parse(["--model", str(model_file), str(model_file)]))


@pytest.fixture
def uploads(tmp_path, monkeypatch) -> Path:
    """A folder that Gradio takes for its upload folder."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


def test_refused_photos_are_named_and_the_others_kept(loaded, uploads):
    tmp_path = uploads
    good, bad = save_drawn(tmp_path / "good.jpg", "frontal"), tmp_path / "bad.jpg"
    bad.write_text("no picture")
    seen, refused = add_uploads(loaded.detector, (), [str(bad), str(good)])
    assert [photo.name for photo in seen] == ["good.jpg"]
    assert len(refused) == 1 and refused[0].startswith("bad.jpg: ")
    assert not list(tmp_path.iterdir())


def test_a_side_takes_ten_photos(loaded):
    seen = (see(loaded.detector, "a.jpg", drawn("frontal")),) * 10
    kept, refused = add_photos(loaded.detector, seen, [("b.jpg", drawn("frontal"))])
    assert kept == seen and refused == ["b.jpg: a side takes at most 10 photos; remove one first"]


def test_names_of_photos_cannot_bring_in_html(loaded):
    photo = see(loaded.detector, '<img src=x onerror="alert(1)">.jpg', drawn("frontal"))
    html = photos_html([photo])
    assert "<img src=x" not in html and "&lt;img" in html
    assert "<script>" not in show((), ["<script>.jpg: is no picture"]).notice


def group(loaded):
    """Two people in one photo."""
    canvas = Image.new("RGB", (640, 320), "gray")
    for number in range(2):
        canvas.paste(
            Image.open(io.BytesIO(drawn("frontal", number))).convert("RGB").resize((300, 300)), (10 + 320 * number, 10)
        )
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG")
    return see(loaded.detector, "group.png", buffer.getvalue())


def test_all_faces_are_offered_and_one_can_be_chosen(loaded):
    photo = group(loaded)
    assert len(photo.faces) == 2
    other = photo.with_face(1 - photo.chosen)
    assert other.face is not photo.face and "face 2 of 2" in photos_html([photo.with_face(1)])
    with pytest.raises(UserError, match="there is no face 3"):
        photo.with_face(2)


def compared(loaded, first, second, fmr=0.001):
    return verify.compare(loaded.models, loaded.detector, first, second, loaded.default_model, fmr, 0.0)


def test_comparison_waits_for_both_sides_then_decides(loaded):
    frontal, profile = (see(loaded.detector, f"{pose}.jpg", drawn(pose)) for pose in ("frontal", "profile"))
    waiting = compared(loaded, (frontal,), ())
    assert waiting.result is None and "as soon as both sides" in waiting.verdict
    shown = compared(loaded, (frontal,), (profile,))
    assert shown.notice == "" and f"{shown.result.score:.3f}" in shown.verdict and "1 of 1,000 pairs" in shown.verdict
    assert (
        shown.crops.count("<img") == 2
        and "score took " in shown.about
        and loaded.models["random"].backend in shown.about
    )
    assert json.loads(json.dumps(shown.as_json))["model"] == "random"
    assert shown.threshold["value"] == 0.4 and shown.chart["layout"]["shapes"][0]["x0"] == 0.4


def test_moving_the_threshold_changes_decision_and_rates(loaded):
    photo = see(loaded.detector, "a.jpg", drawn("frontal"))
    result = compared(loaded, (photo,), (photo,)).result
    moved = verify.move_threshold(loaded.models, result, 0.5)
    assert moved.fmr is None and "Match" in moved.verdict and moved.chart["layout"]["shapes"][0]["x0"] == 0.5
    # bins 15-19 and 0-14 of the random card's histogram
    assert "10 of 190 pairs" in moved.verdict and "105 of 190" in moved.verdict


def test_the_json_says_what_the_verdict_says(loaded):
    """Also after another FMR was chosen, or the threshold moved."""
    photo = see(loaded.detector, "a.jpg", drawn("frontal"))
    first = compared(loaded, (photo,), (photo,))
    assert (first.as_json["threshold"], first.as_json["target_fmr"], first.as_json["decision"]) == (0.5, 0.001, "match")
    shown = verify.move_threshold(loaded.models, first.result, 0.75)
    moved = shown.as_json
    assert (moved["threshold"], moved["target_fmr"], moved["match"]) == (0.75, None, True)
    assert (moved["false_matches"], moved["false_non_matches"]) == (
        2,
        144,
    )  # bins 18, 19 and half of 17; 0 to 16, half of 17
    assert "2 of 190 pairs" in shown.verdict and "144 of 190" in shown.verdict
    assert moved["faces"] == first.as_json["faces"] and moved.keys() == first.as_json.keys()
    laxer = verify.judge(loaded.models, first.result, 0.01)
    assert laxer.as_json["target_fmr"] == 0.01 and f"threshold {laxer.as_json['threshold']:.3f}" in laxer.verdict
    assert verify.judge(loaded.models, first.result, 0.0001).as_json is None
    by_hand = compared(loaded, (photo,), (photo,), None).as_json
    assert (by_hand["threshold"], by_hand["target_fmr"]) == (0.0, None)


def test_the_rule_is_made_once_for_a_comparison(loaded, monkeypatch):
    calls = []

    def counted(*given):
        calls.append(given)
        return decision.rule_for_fmr(*given)

    for module in (verifier, result):
        monkeypatch.setattr(module, "rule_for_fmr", counted)
    photo = see(loaded.detector, "a.jpg", drawn("frontal"))
    assert compared(loaded, (photo,), (photo,)).as_json and len(calls) == 1


def test_an_operating_point_that_is_missing_is_a_notice(loaded):
    photo = see(loaded.detector, "a.jpg", drawn("frontal"))
    assert "no operating point at FMR 0.0001" in compared(loaded, (photo,), (photo,), 0.0001).notice


def test_endpoint_answers_and_names_bad_photos(loaded, uploads):
    paths = [str(save_drawn(uploads / f"{pose}.jpg", pose)) for pose in ("frontal", "profile")]
    answer = verify_api.verify(loaded.models, loaded.detector, paths[:1], paths[1:], "random", 0.001)
    assert answer["pose_pair"] == ["frontal", "profile"] and len(answer["faces"]) == 2
    with pytest.raises(gr.Error, match="the first side has no photo"):
        verify_api.verify(loaded.models, loaded.detector, None, None, "random", 0.001)
    with pytest.raises(gr.Error, match="model: 'nope' is not here; there are random"):
        verify_api.verify(loaded.models, loaded.detector, None, None, "nope", 0.001)


def test_the_model_in_a_few_lines_names_its_training_data(loaded):
    card = loaded.models["random"].card
    assert "Trained on data not stated." in result.model_markdown(card, "torch")
    two = replace(card, training={"datasets": [{"title": "first, train"}, {"title": "second, train"}]})
    assert "Trained on first, train, second, train." in result.model_markdown(two, "torch")


def test_every_example_has_faces_on_both_sides(loaded):
    examples = load_examples()
    assert examples and len({example.title for example in examples}) == len(examples)
    for example in examples:
        for picture in (*example.first, *example.second):
            assert see(loaded.detector, picture.row_id, picture.encoded).faces
