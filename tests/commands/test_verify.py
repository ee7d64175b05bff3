"""python -m sfpn verify: the answer on drawn people, and one sentence for each kind of bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.drawn_people import drawn_image, save_drawn
from helpers.paths import ROOT
from helpers.shared_material import CFP, needs_cfp
from helpers.small_models import save_random_model
from PIL import Image

from sfpn.__main__ import main
from sfpn.commands.verify import photo_files
from sfpn.errors import UserError
from sfpn.photos.preprocess import Preprocess


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    save_random_model(path)
    return str(path)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("photos")
    names = {"front": save_drawn(folder / "front.jpg", "frontal"), "side": save_drawn(folder / "side.png", "profile")}
    return {name: str(path) for name, path in names.items()}


def run(*arguments: str, capsys) -> tuple[int, str, str]:
    status = main(["verify", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_json_is_one_compact_object(photos, model, capsys):
    status, out, err = run(photos["side"], photos["front"], "--model", model, "--json", capsys=capsys)
    assert status == 0 and err == "" and out.count("\n") == 1 and ": " not in out
    found = json.loads(out)
    assert found["pose_pair"] == ["frontal", "profile"] and found["model"] == "random"
    assert found["match"] is (found["score"] >= found["threshold"])
    assert (found["fmr"], found["fnmr"], found["impostor"], found["genuine"]) == (0.001, pytest.approx(0.3), 1000, 100)
    assert [side["pose"] for side in found["faces"]] == ["profile", "frontal"]


def test_words_say_score_threshold_rates_and_fallback(photos, model, capsys):
    status, out, _ = run(photos["front"], photos["front"], "--model", model, "--fmr", "0.01", capsys=capsys)
    assert status == 0
    assert "score 1.0000, threshold 0.4000" in out and "Match." in out and "10 of 1,000 pairs" in out
    assert "no scores of two frontal faces" in out


def test_folder_is_a_side_of_several_photos(tmp_path, photos, model, capsys):
    side = tmp_path / "person"
    side.mkdir()
    for number in range(2):
        save_drawn(side / f"{number}.jpg", "frontal", quality=90 - 30 * number)
    status, out, _ = run(str(side), photos["side"], "--model", model, "--json", capsys=capsys)
    assert status == 0 and len(json.loads(out)["faces"][0]["photos"]) == 2


def test_rotated_by_exif_gives_the_same_face(tmp_path, photos, model, capsys):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned a quarter to the left
    drawn_image("frontal").transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    save_drawn(tmp_path / "upright.png", "frontal")
    out = [
        run(str(tmp_path / name), photos["side"], "--model", model, "--json", capsys=capsys)[1]
        for name in ("turned.png", "upright.png")
    ]
    assert json.loads(out[0])["score"] == json.loads(out[1])["score"]


def make_bad(kind: str, folder: Path) -> Path:
    """A file that is no photo of a face."""
    path = folder / f"{kind}.jpg"
    if kind == "text":
        path.write_text("no picture")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        save_drawn(path, "frontal")
        path.write_bytes(path.read_bytes()[:3000])
    elif kind == "one-pixel":
        Image.new("RGB", (1, 1)).save(path)
    elif kind == "no-face":
        Image.new("RGB", (300, 300), "teal").save(path)
    elif kind == "tiny-face":
        canvas = Image.new("RGB", (360, 360), "teal")
        canvas.paste(drawn_image("frontal").resize((34, 34)), (163, 163))
        canvas.save(path, quality=95)
    return path


@pytest.mark.parametrize(
    "kind, says",
    [
        ("missing", "no such file; check the path"),
        ("text", "is not a picture that can be read; give a JPEG"),
        ("empty", "is an empty file"),
        ("truncated", "is damaged or cut off"),
        ("one-pixel", "is only 1x1 pixels; a face needs at least 20"),
        ("no-face", "no face was found"),
        ("tiny-face", "the face is only 13 px wide, under the 20 px needed"),
    ],
)
def test_bad_photos_are_named_in_one_line(kind, says, tmp_path, photos, model, capsys):
    path = make_bad(kind, tmp_path)
    status, out, err = run(str(path), photos["side"], "--model", model, capsys=capsys)
    assert (status, out) == (2, "") and err.count("\n") == 1 and f"{path.name}: {says}" in err


def test_empty_folder_and_too_many_photos(tmp_path, photos, model, capsys):
    status, _, err = run(str(tmp_path), photos["side"], "--model", model, capsys=capsys)
    assert status == 2 and "has no files" in err
    for number in range(11):
        save_drawn(tmp_path / f"{number}.jpg", "frontal")
    status, _, err = run(str(tmp_path), photos["side"], "--model", model, capsys=capsys)
    assert status == 2 and "11 photos; give at most 10" in err


DAMAGES = {
    "absent": "m.safetensors: no such model; give a path to a weights file, a Hub id",
    "garbage": "m.safetensors: the file is not the one its card describes (SHA-256 differs)",
    "other card": "m.safetensors: the file is not the one its card describes (SHA-256 differs)",
    "no card": "m.safetensors: its card m.json is missing beside it",
    "empty card": "m.json: not a valid card (name is missing, and 4 more)",
    "no points": "model m: its card has no operating points; make them with: python -m sfpn calibrate",
    "other layers": "m.safetensors: weights of another architecture than its card says",
    "other kind": "m.safetensors: its card says 'onnx', which is not a SqueezeFacePoseNet",
    "infinite": "model m: its embeddings hold NaN or infinity or are too long for a number, which",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_bad_models_are_refused(damage, tmp_path, photos, capsys):
    path = tmp_path / "m.safetensors"
    changes = {
        "no points": {"operating_points": {}},
        "infinite": {"preprocess": Preprocess(scale=1e-30)},  # every weight is finite, what comes of them is not
    }
    save_random_model(path, **changes.get(damage, {}))
    if damage == "absent":
        path.unlink()
    elif damage == "no card":
        path.with_suffix(".json").unlink()
    elif damage == "garbage":
        path.write_bytes(b"not weights")
    elif damage == "empty card":
        path.with_suffix(".json").write_text("{}")
    elif damage == "other card":
        save_random_model(tmp_path / "n.safetensors", depthwise=False)
        path.with_suffix(".json").write_text((tmp_path / "n.json").read_text())
    elif damage in ("other layers", "other kind"):
        card = json.loads(path.with_suffix(".json").read_text())
        card["architecture"] |= {"depthwise": False} if damage == "other layers" else {"type": "onnx"}
        path.with_suffix(".json").write_text(json.dumps(card))
    status, out, err = run(photos["front"], photos["side"], "--model", str(path), "--json", capsys=capsys)
    assert (status, out) == (2, "") and err.count("\n") == 1 and DAMAGES[damage] in err


@pytest.mark.parametrize("fmr", ["2", "-0.1", "often", "nan"])
def test_a_target_that_is_no_rate_is_refused(fmr, photos, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["verify", photos["front"], photos["side"], f"--fmr={fmr}"])
    assert f"must be a number from 0 to 1, got '{fmr}'" in capsys.readouterr().err


def test_no_traceback_from_the_real_command():
    command = [sys.executable, "-m", "sfpn", "verify", "nowhere.jpg", "nowhere.jpg", "--model", "base"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "python -m sfpn verify: nowhere.jpg: no such file; check the path\n"


@needs_cfp
def test_bundled_model_tells_a_genuine_from_an_impostor_pair(capsys):
    from sfpn.network.checkpoint import bundled_names

    if "base" not in bundled_names():
        pytest.skip("the bundled weights are not in this tree")
    images = CFP / "Data" / "Images"
    scores = []
    for profile in ("001/profile/02.jpg", "003/profile/02.jpg"):
        status, out, _ = run(str(images / "001/frontal/01.jpg"), str(images / profile), "--json", capsys=capsys)
        assert status == 0
        scores.append(json.loads(out)["score"])
    assert scores[0] > scores[1]


@pytest.mark.parametrize(
    "name",
    ["Thumbs.db", "desktop.ini", "._front.jpg", ".DS_Store", "front.jpg:Zone.Identifier", "front.jpg~", "~$a.docx"],
)
def test_what_computers_leave_in_a_folder_is_no_photo(tmp_path, name):
    save_drawn(tmp_path / "front.jpg", "frontal")
    (tmp_path / name).write_bytes(b"left behind")
    for folder in (".ipynb_checkpoints", "@eaDir", "__MACOSX"):
        (tmp_path / folder).mkdir()
        save_drawn(tmp_path / folder / "front.jpg", "frontal")
    assert photo_files(tmp_path) == [tmp_path / "front.jpg"]


def test_a_folder_of_left_overs_has_no_files(tmp_path):
    (tmp_path / "Thumbs.db").write_bytes(b"left behind")
    with pytest.raises(UserError, match="the folder has no files"):
        photo_files(tmp_path)
