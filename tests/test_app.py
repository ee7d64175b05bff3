"""The app around its tabs: options, what it promises about privacy, its endpoints, and the handlers of the Verify tab."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import gradio as gr
import pytest
from helpers.drawn_people import drawn, save_drawn
from helpers.paths import ROOT
from helpers.small_models import save_random_model
from PIL import Image

import app
from demo.examples import load_examples
from demo.verify import api as verify_api
from demo.verify import tab as verify
from demo.verify.photo_html import photos_html
from demo.verify.photos import add_photos, add_uploads, see
from demo.verify.side import show
from sfpn.errors import UserError


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


def test_quiet_handlers_make_gradio_copy_no_more_than_one_leaf(loaded):
    handlers = app.build(loaded).fns.values()
    quiet = [handler for handler in handlers if handler.show_progress == "hidden"]
    assert len(quiet) > 30
    assert {block.elem_id for handler in quiet for block in handler.show_progress_on} == {"address"}


def test_nothing_is_recorded_or_shared():
    settings = app.launch_settings()
    assert app.os.environ["GRADIO_ANALYTICS_ENABLED"] != "True"
    assert not any(settings[name] for name in ("run_history", "enable_monitoring", "share", "pwa"))
    assert settings["max_file_size"] <= 50_000_000


def test_only_the_documented_endpoint_is_public(loaded):
    page = app.build(loaded)
    assert page.delete_cache == (600, 600)
    assert set(page.get_api_info()["named_endpoints"]) == {"/verify"}


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
    assert "<script>" not in show((), ["<script>.jpg: is no picture"])[2]


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
    result, notice, verdict, *_ = compared(loaded, (frontal,), ())
    assert result is None and "as soon as both sides" in verdict
    result, notice, verdict, _, crops, figure, slider, about, record = compared(loaded, (frontal,), (profile,))
    assert notice == "" and f"{result.score:.3f}" in verdict and "1 of 1,000 pairs" in verdict
    assert (
        crops.count("<img") == 2
        and "ms on this computer" in about
        and json.loads(json.dumps(record))["model"] == "random"
    )
    assert slider["value"] == 0.4 and figure.layout.shapes[0].x0 == 0.4


def test_moving_the_threshold_changes_decision_and_rates(loaded):
    photo = see(loaded.detector, "a.jpg", drawn("frontal"))
    result = compared(loaded, (photo,), (photo,))[0]
    fmr, verdict, figure = verify.move_threshold(loaded.models, result, 0.5)
    assert fmr is None and "Match" in verdict and figure.layout.shapes[0].x0 == 0.5
    assert (
        "10 of 190 pairs" in verdict and "105 of 190" in verdict
    )  # bins 15-19 and 0-14 of the random card's histogram


def test_an_operating_point_that_is_missing_is_a_notice(loaded):
    photo = see(loaded.detector, "a.jpg", drawn("frontal"))
    assert "no operating point at FMR 0.0001" in compared(loaded, (photo,), (photo,), 0.0001)[1]


def test_endpoint_answers_and_names_bad_photos(loaded, uploads):
    paths = [str(save_drawn(uploads / f"{pose}.jpg", pose)) for pose in ("frontal", "profile")]
    answer = verify_api.verify(loaded.models, loaded.detector, paths[:1], paths[1:], "random", 0.001)
    assert answer["pose_pair"] == ["frontal", "profile"] and len(answer["faces"]) == 2
    with pytest.raises(gr.Error, match="the first side has no photo"):
        verify_api.verify(loaded.models, loaded.detector, None, None, "random", 0.001)
    with pytest.raises(gr.Error, match="nope: no such model here; there are random"):
        verify_api.verify(loaded.models, loaded.detector, None, None, "nope", 0.001)


def test_every_example_has_faces_on_both_sides(loaded):
    examples = load_examples()
    assert examples and len({example.title for example in examples}) == len(examples)
    for example in examples:
        for picture in (*example.first, *example.second):
            assert see(loaded.detector, picture.row_id, picture.encoded).faces
