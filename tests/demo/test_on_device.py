"""What the tab On your device needs: the runtime whole and checked, the networks made once, the page's rules."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import time
from dataclasses import replace

import pytest
from helpers.small_models import save_random_model

from demo.common.rules import Rules
from demo.on_device import __main__ as commands
from demo.on_device import runtime
from demo.on_device.bundle import make_bundle, manifest, pack
from demo.on_device.drawn_faces import REPORTS
from demo.on_device.preparation import Preparation
from demo.on_device.static_page import export_page
from sfpn.commands.options import DRAWN_PEOPLE
from sfpn.data.dataset import FaceDataset
from sfpn.errors import UserError
from sfpn.evaluation.report import Report

CONTENTS = {file.name: f"content of {name}".encode() for name, file in runtime.FILES.items()}


def package(contents: dict[str, bytes]) -> bytes:
    """An npm package with these files in dist/."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A small package that is taken for the published one."""
    packed = package(CONTENTS)
    (tmp_path / "package.tgz").write_bytes(packed)
    monkeypatch.setattr(runtime, "INTEGRITY", runtime.integrity("sha512", packed))
    files = {
        name: replace(file, integrity=runtime.integrity("sha384", CONTENTS[file.name]))
        for name, file in runtime.FILES.items()
    }
    monkeypatch.setattr(runtime, "FILES", files)
    return tmp_path / "package.tgz"


def test_three_files_are_kept_and_the_large_one_gzipped(archive, tmp_path):
    cache = tmp_path / "cache"
    assert not runtime.is_fetched(cache)
    folder = runtime.fetch(cache, archive=archive)
    assert runtime.is_fetched(cache)
    kept = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert set(kept) == {"ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm.gz"}
    assert gzip.decompress(kept["ort-wasm-simd-threaded.wasm.gz"]) == CONTENTS["ort-wasm-simd-threaded.wasm"]


@pytest.mark.parametrize("damage", ["cut off", "another package", "too large", "missing"])
def test_nothing_is_kept_of_what_is_not_the_published_package(archive, tmp_path, monkeypatch, damage):
    if damage == "cut off":
        archive.write_bytes(archive.read_bytes()[:-20])
    elif damage == "another package":
        archive.write_bytes(package(CONTENTS | {"ort.wasm.min.mjs": b"evil()"}))
    elif damage == "too large":
        monkeypatch.setattr(runtime, "MAX_BYTES", 10)
    else:
        archive.unlink()
    with pytest.raises(UserError, match=str(archive)):
        runtime.fetch(tmp_path / "cache", archive=archive)
    assert not (tmp_path / "cache").exists()


def test_a_file_inside_that_was_changed_is_refused_whatever_the_package_says(archive, tmp_path, monkeypatch):
    packed = package(CONTENTS | {"ort-wasm-simd-threaded.mjs": b"evil()"})
    archive.write_bytes(packed)
    monkeypatch.setattr(runtime, "INTEGRITY", runtime.integrity("sha512", packed))
    with pytest.raises(UserError, match="ort-wasm-simd-threaded.mjs in the package is not that of"):
        runtime.fetch(tmp_path / "cache", archive=archive)


def test_registry_that_does_not_answer_is_one_sentence(tmp_path, capsys):
    code = commands.main(["fetch", "--cache", str(tmp_path), "--registry", "http://127.0.0.1:9"])
    assert code == 2
    assert "--archive" in capsys.readouterr().err


def test_the_pinned_hashes_have_the_form_that_browsers_check():
    assert runtime.INTEGRITY.startswith("sha512-") and len(runtime.INTEGRITY) == 95
    assert all(file.integrity.startswith("sha384-") and len(file.integrity) == 71 for file in runtime.FILES.values())


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    pytest.importorskip("onnx", reason="needs onnx (requirements-dev.txt)")
    folder = tmp_path_factory.mktemp("bundle")
    save_random_model(folder / "random.safetensors")
    return folder, make_bundle(folder / "cache", {"random": folder / "random.safetensors"}, ())


def test_networks_are_made_once_and_say_what_the_page_needs(bundle):
    folder, made = bundle
    models = {"random": folder / "random.safetensors"}
    again = make_bundle(folder / "cache", models, (), lambda: pytest.fail("exported again"))
    assert again == made
    found = manifest(again, folder / "cache", lambda path: f"at/{path.name}", cdn=True)
    assert [model["name"] for model in found["models"]] == ["random"]
    [model] = again.models.values()
    assert model.card_file
    assert found["models"][0]["card_file"]["url"] == f"at/{model.card_file.name}"
    card = json.loads(gzip.decompress(model.card_file.read_bytes()))
    assert card == model.card
    assert (card["preprocess"]["size"], card["mirror_sum"], card["preprocess"]["mean"]) == (113, False, [0, 0, 0])
    assert set(found["detector"]) == {"propose", "refine", "output"}
    assert all(entry["url"].startswith(runtime.CDN) and entry["integrity"] for entry in found["runtime"].values())
    json.dumps(found, allow_nan=False)


def test_packed_networks_are_the_networks(bundle, tmp_path):
    """Unpacked byte by byte, as slowly as can be."""
    for length in (0, 3, 4, 4099):
        content = bytes((7 * i * i) % 251 for i in range(length))
        (tmp_path / "network").write_bytes(content)
        pack(tmp_path / "network", tmp_path / "packed")
        planes, each = gzip.decompress((tmp_path / "packed").read_bytes()), length // 4
        assert bytes(planes[i % 4 * each + i // 4] if i < 4 * each else planes[i] for i in range(length)) == content
    [model] = bundle[1].models.values()
    assert len(gzip.decompress(model.path.read_bytes())) > model.path.stat().st_size


def test_drawn_faces_are_those_of_the_dataset_with_the_reports_about_them(bundle):
    index, pictures = bundle[1].faces
    described, encoded = json.loads(gzip.decompress(index.read_bytes())), pictures.read_bytes()
    people = FaceDataset.open(DRAWN_PEOPLE)
    rows, at = people.rows().set_index("row_id"), 0
    for row, picture in zip(described["rows"], people.pictures(set(rows.index)), strict=True):
        assert encoded[at : at + row["bytes"]] == picture.encoded
        at += row["bytes"]
        held = rows.loc[picture.row_id]
        assert (row["identity"], row["pose"], row["template"]) == (held["identity"], held["pose"], held["template"])
        assert row["box"] == (None if held["box_xyxy"] is None else held["box_xyxy"].tolist())
    assert at == len(encoded) and sum(row["box"] is None for row in described["rows"]) == rows["box_xyxy"].isna().sum()
    for reference in described["references"]:
        report = Report.load(REPORTS / f"synthetic-{reference['name']}")
        assert len(reference["cells"]) == 12
        for cell in reference["cells"]:
            rates = report.cell(cell["pair"], cell["size"]).rates()
            assert (cell["eer"], cell["genuine"], cell["impostor"]) == (rates.eer, rates.genuine, rates.impostor)
            assert [point["fnmr"] for point in cell["points"]] == [point.fnmr for point in rates.operating_points]
    assert {reference["name"] for reference in described["references"]} == {"base", "depthwise"}


def test_folder_that_is_not_empty_is_left_alone(bundle, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="not an empty folder"):
        export_page(tmp_path, bundle[1], bundle[0] / "cache")
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_tab_says_what_is_missing_and_then_is_ready(bundle, tmp_path, archive):
    folder, _ = bundle
    cache = folder / "cache"
    preparation = Preparation(cache, {"random": folder / "random.safetensors"}, (), cdn=False)
    assert preparation.status()["command"] == "python -m demo.on_device fetch"
    runtime.fetch(cache, archive=archive)
    assert wait(preparation)["state"] == "ready"


def test_failure_is_told_and_tried_again(tmp_path):
    preparation = Preparation(tmp_path, {"gone": tmp_path / "gone.safetensors"}, (), cdn=True)
    for _ in range(2):
        answer = wait(preparation)
        assert answer["state"] == "failed" and "gone.safetensors" in answer["words"]


def wait(preparation: Preparation) -> dict:
    for _ in range(600):
        answer = preparation.status()
        if answer["state"] != "preparing":
            return answer
        time.sleep(0.1)
    pytest.fail("never ready")


def test_only_with_the_option_may_the_page_ask_another_server():
    policies = [
        dict(rules.headers())[b"content-security-policy"].decode()
        for rules in (Rules(), Rules(loads_from=("https://x.example",)))
    ]
    connect = [next(part for part in policy.split("; ") if part.startswith("connect-src")) for policy in policies]
    assert connect == ["connect-src 'self' data: blob:", "connect-src 'self' data: blob: https://x.example"]
