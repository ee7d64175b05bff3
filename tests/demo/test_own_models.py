"""Models of visitors: whose they are, how they come without a card, and that nothing of them stays or is seen."""

from __future__ import annotations

import html
import json
import secrets
from collections import ChainMap
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import httpx
import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx (requirements-dev.txt)")
pytest.importorskip("onnxruntime", reason="needs onnxruntime (requirements-dev.txt)")

from helpers.drawn_networks import Kind, make, save  # noqa: E402
from helpers.drawn_people import drawn  # noqa: E402
from helpers.evaluation_data import write_dataset  # noqa: E402
from helpers.paths import SYNTHETIC  # noqa: E402
from helpers.small_models import save_random_model  # noqa: E402
from helpers.visiting import Visitor, handler_of  # noqa: E402
from helpers.waiting import wait_for  # noqa: E402

import app  # noqa: E402
from demo.common import own_models  # noqa: E402
from demo.common.dataset_view import DatasetView  # noqa: E402
from demo.common.embedding_store import EmbeddingStore  # noqa: E402
from demo.common.gate import Gate  # noqa: E402
from demo.common.own_model import OwnModel  # noqa: E402
from demo.common.own_models import OwnModels, Rules  # noqa: E402
from demo.model import bring, own_model_panel  # noqa: E402
from demo.model.bring import Bringing  # noqa: E402
from demo.model.card_form import MEASURED, Fields, guess, parse_mean  # noqa: E402
from demo.options import Options  # noqa: E402
from demo.pose_errors.compute import keep  # noqa: E402
from demo.verify.photos import see  # noqa: E402
from demo.verify.result_view import JudgedValues  # noqa: E402
from demo.verify.tab import compare, judge  # noqa: E402
from sfpn.data.dataset import FaceDataset  # noqa: E402
from sfpn.errors import UserError  # noqa: E402
from sfpn.network.card import Card, load_card  # noqa: E402
from sfpn.network.embedders import load_embedder  # noqa: E402
from sfpn.photos.detector import FaceDetector  # noqa: E402
from sfpn.photos.preprocess import Preprocess  # noqa: E402


def asking(session: str, host: str = "1.2.3.4") -> gr.Request:
    """What a handler gets as the request."""
    return SimpleNamespace(session_hash=session, client=SimpleNamespace(host=host))  # type: ignore[return-value]


@pytest.fixture
def models(tmp_path, monkeypatch) -> Iterator[OwnModels]:
    """The models of an app with one model of its own, called as the drawn network is."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    shared = SimpleNamespace(name="net", card=SimpleNamespace(title="Shared"))
    models = OwnModels({"net": shared}, Rules(1_000_000))  # type: ignore[dict-item]
    yield models
    models.close_all()


def uploaded(tmp_path: Path, *files: Path | tuple[str, bytes]) -> list[str]:
    """Files as uploads, each in a folder of its own."""
    paths = []
    for file in files:
        name, content = (file.name, file.read_bytes()) if isinstance(file, Path) else file
        folder = tmp_path / "uploads" / secrets.token_hex(4)
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content)
        paths.append(str(folder / name))
    return paths


def with_card(tmp_path: Path, **architecture) -> list[str]:
    path = save(tmp_path / "net.onnx", make(Kind()), descriptor_size=5, **architecture)
    return uploaded(tmp_path, path, path.with_suffix(".json"))


def brought(models: OwnModels, tmp_path: Path, session: str = "one") -> OwnModel:
    own = models.begin(asking(session), with_card(tmp_path))
    models.use(own)
    return own


def last(steps: Iterator[tuple]) -> tuple[Bringing, Fields]:
    """The last values of a handler of the panel."""
    found = list(steps)[-1]
    split = len(Bringing._fields)
    return Bringing(*found[:split]), Fields(*found[split:])


def test_a_model_with_its_card_is_there_for_its_session_alone(models, tmp_path):
    own = brought(models, tmp_path)
    assert list(models.models_of(asking("one"))) == ["net", "net (yours)"]
    assert list(models.models_of(asking("two"))) == list(models.models_of(None)) == ["net"]
    assert models.models_of(asking("one"))["net"] is models.shared["net"]
    with pytest.raises(gr.Error):
        models.models_of(asking("two"))["net (yours)"]
    assert own.embedder.card.title == "Colours (yours)"
    assert not list((tmp_path / "uploads").rglob("*.onnx"))
    assert own.folder.stat().st_mode & 0o077 == 0


def test_nothing_is_left_of_a_closed_model(models, tmp_path):
    own = brought(models, tmp_path)
    process = own.embedder._model._process
    models.close("one")
    assert not own.folder.exists() and process.poll() is not None
    assert list(models.models_of(asking("one"))) == ["net"] and models.own_of(asking("one")) is None
    assert not list(models._root.iterdir())


def test_a_new_model_takes_the_place_of_the_old_one_only_when_it_can_be_used(models, tmp_path):
    old = brought(models, tmp_path)
    with pytest.raises(UserError):
        failing = models.begin(asking("one"), uploaded(tmp_path, ("net.onnx", b"no network")))
        models.look(failing)
    models.drop(failing)
    assert models.own_of(asking("one")) is old and old.folder.is_dir() and not failing.folder.exists()
    new = brought(models, tmp_path)
    assert models.own_of(asking("one")) is new and not old.folder.exists()


def test_models_are_bounded_in_all_and_for_one_address(models, tmp_path):
    for number in range(own_models.MODELS_OF_ONE):
        models.begin(asking(f"s{number}"), with_card(tmp_path))
    with pytest.raises(UserError, match="as many models are open"):
        models.begin(asking("more"), with_card(tmp_path))
    for number in range(own_models.MODELS - own_models.MODELS_OF_ONE):
        models.begin(asking(f"t{number}", host=f"5.6.7.{number}"), with_card(tmp_path))
    with pytest.raises(UserError, match="as many models are open"):
        models.begin(asking("last", host="9.9.9.9"), with_card(tmp_path))
    assert not list((tmp_path / "uploads").rglob("*.onnx"))
    with pytest.raises(UserError, match="belongs to no open page"):
        models.begin(None, with_card(tmp_path))
    with pytest.raises(UserError, match="belongs to no open page"):
        OwnModels({}).begin(asking("one"), with_card(tmp_path))


TEXT, NETWORK = ("notes.txt", b"x"), ("net.onnx", make(Kind()))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([TEXT], "notes.txt: Give one .onnx file"),
        ([NETWORK, ("two.onnx", b"x")], "Give one .onnx file"),
        ([NETWORK, ("a.json", b"{}"), ("b.json", b"{}")], "Give one .onnx file"),
        ([NETWORK, NETWORK], "Give one .onnx file"),
        ([("net.onnx", b"x" * 1_000_001)], "and a model may have 1 MB here"),
        ([("net.onnx", b"")], "is an empty file"),
        ([("net.onnx", b"no network")], "net.onnx: not a readable ONNX model"),
        ([NETWORK, ("any.json", b"{}")], "net.json: not a valid card"),
        ([NETWORK, ("any.json", b"[")], "net.json: not a valid card"),
        ([("net.onnx", make(Kind(batch=1000)))], "not a batch of colour pictures"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_sentence_and_leaves_nothing(models, tmp_path, files, words):
    bringing, _ = last(bring.open_upload(models, uploaded(tmp_path, *files), asking("one")))
    assert words in bringing.status and bringing.status.count("notice") == 1 and str(tmp_path) not in bringing.status
    assert bringing.form["visible"] is False
    assert not list(models._root.iterdir()) and models.pending_of(asking("one")) is None
    assert not [file for file in (tmp_path / "uploads").rglob("*") if file.is_file()]


def test_a_card_of_other_weights_gets_the_sentence_of_the_command(models, tmp_path):
    card = save(tmp_path / "net.onnx", make(Kind()), descriptor_size=5).with_suffix(".json")
    other = make(Kind(norm=True))
    (tmp_path / "net.onnx").write_bytes(other)
    with pytest.raises(UserError) as told:
        load_embedder(tmp_path / "net.onnx")
    bringing, _ = last(bring.open_upload(models, uploaded(tmp_path, ("net.onnx", other), card), asking("one")))
    assert str(told.value).replace(f"{tmp_path}/", "") in html.unescape(bringing.status)


def test_weights_in_a_second_file_come_with_the_model(models, tmp_path):
    import onnx
    from helpers.drawn_networks import WEIGHTS

    model = onnx.load_model_from_string(make(Kind()))
    stored = model.graph.initializer[0]
    stored.ClearField("raw_data")
    stored.data_location = onnx.TensorProto.EXTERNAL
    entry = stored.external_data.add()
    entry.key, entry.value = "location", "net.bin"
    network = ("net.onnx", model.SerializeToString())
    bringing, _ = last(bring.open_upload(models, uploaded(tmp_path, network), asking("one")))
    assert "its weights file net.bin is missing beside it" in bringing.status
    both = uploaded(tmp_path, network, ("net.bin", WEIGHTS.tobytes()))
    bringing, fields = last(bring.open_upload(models, both, asking("one")))
    assert bringing.form["visible"] and fields.size == 8
    filled = fields._replace(name="two files", licence="", geometry="box", mean="0", scale=1.0)
    last(bring.use_model(models, models.pending_of(asking("one")), asking("one"), *filled))
    card = load_card(models.own_of(asking("one")).weights)
    assert list(card.architecture["external_data"]) == ["net.bin"]


def test_embeddings_of_a_visitors_model_are_kept_apart(models, tmp_path):
    view = DatasetView.open(FaceDataset.open(write_dataset(tmp_path / "data")), tmp_path / "thumbnails")
    base = EmbeddingStore(view, models.shared)
    own = brought(models, tmp_path)
    store = models.store_over(asking("one"), base)
    assert store is models.store_over(asking("one"), base) and models.store_over(asking("two"), base) is base
    assert store.get("net (yours)") is None
    found = store.compute("net (yours)")
    assert found.shape == (len(view.rows), 5) and store.get("net (yours)") is found
    assert list(own.folder.rglob("*.parquet")) and not list((tmp_path / "data").rglob("embeddings/*"))
    assert store.is_own_model("net (yours)") and not store.is_own_model("net") and not base._kept
    models.close("one")
    assert models.store_over(asking("one"), base) is base


def test_reports_of_a_visitors_model_are_its_sessions_alone_and_not_written(models, tmp_path):
    own, shared = brought(models, tmp_path), {}
    report = SimpleNamespace(header={"model": "net (yours)"})
    seen = models.reports_over(asking("one"), ChainMap(shared))
    seen["mine"] = report
    seen["ours"] = SimpleNamespace(header={"model": "net"})
    assert list(shared) == ["ours"] and list(own.reports) == ["mine"] and sorted(seen) == ["mine", "ours"]
    with pytest.raises(gr.Error):
        seen["none"]
    view = DatasetView.open(FaceDataset.open(write_dataset(tmp_path / "data")), tmp_path / "thumbnails")
    store = models.store_over(asking("one"), EmbeddingStore(view, models.shared))
    assert "Nobody else sees it" in keep(report, store) and not (tmp_path / "data" / "reports").exists()


def test_what_the_form_guesses_from_the_files_input(models, tmp_path):
    whole = models.begin(asking("one"), uploaded(tmp_path, ("a.onnx", make(Kind(dtype="uint8", size=13)))))
    fields = guess("a", models.look(whole))
    assert (fields.size, fields.geometry, fields.mean, fields.scale, fields.output) == (13, "box", "0", 1.0, "flat")
    assert "mean and scale" not in fields.measured
    unstated = guess("net", None)
    assert (unstated.size, unstated.geometry, unstated.mean, unstated.scale) == (112, "five_point", "127.5", 127.5)
    assert unstated.measured == list(MEASURED)


def form(**changes) -> Fields:
    """A form filled in by hand."""
    fields = Fields("mine", "MIT", 8, "box", 1.2, "1 2 3", 4.0, "BGR", "", list(MEASURED))
    return fields._replace(**changes)


def test_a_form_becomes_the_card(models, tmp_path):
    own = models.begin(asking("one"), uploaded(tmp_path, NETWORK))
    bringing, _ = last(bring.use_model(models, own, asking("one"), *form()))
    assert "Done" in bringing.status and bringing.model.value == "mine"
    name, content = own_model_panel.card_file(models.own_of(asking("one")))
    card = Card.from_json(json.loads(content))
    assert name == "net.json" and (card.name, card.title, card.licence) == ("mine", "mine", "MIT")
    assert card.preprocess == Preprocess("box", 8, 1.2, "edge", (1.0, 2.0, 3.0), 4.0, "BGR")
    assert card.extra["preprocess_chosen_by"] == "given" and not card.operating_points
    (tmp_path / "again.onnx").write_bytes(NETWORK[1])
    (tmp_path / "again.json").write_bytes(content)
    assert load_embedder(tmp_path / "again.onnx").name == "mine"  # the card that was saved opens on the command line


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": None}, "Size: give the side of the pictures"),
        ({"size": 8.5}, "Size: give the side of the pictures"),
        ({"size": 9}, "not a batch of colour pictures of 9x9"),
        ({"mean": "1 2"}, "Mean: give one number, or three"),
        ({"mean": "nan"}, "Mean: give one number, or three"),
        ({"mean": ""}, "Mean: give one number, or three"),
        ({"scale": 0}, "Scale: give a number above zero"),
        ({"crop_factor": None}, "Square: give a number above zero"),
        ({"crop_factor": 1000.0}, "these options make no card (preprocess: scale and crop_factor"),
        ({"output": "absent"}, "has no output called absent"),
        ({"name": "a\x07b"}, "these options make no card (name: must be printable)"),
        ({"name": {"a": 1}, "size": 9}, "9x9"),
    ],
)
def test_a_form_that_makes_no_card_keeps_the_model_and_says_why(models, tmp_path, changes, words):
    own = models.begin(asking("one"), uploaded(tmp_path, NETWORK))
    bringing, _ = last(bring.use_model(models, own, asking("one"), *form(**changes)))
    assert words in bringing.status and str(tmp_path) not in bringing.status
    assert models.pending_of(asking("one")) is own and not own.has_card
    bringing, _ = last(bring.use_model(models, own, asking("one"), *form()))
    assert "Done" in bringing.status


def test_a_mean_as_people_write_it():
    assert parse_mean("127.5") == (127.5,) * 3 and parse_mean(" 1,2 ;3 ") == (1.0, 2.0, 3.0)


def test_without_a_model_the_buttons_say_so(models):
    for steps in (
        bring.use_model(models, None, asking("one"), *form()),
        bring.measure_settings(models, None, asking("one"), None, *form()),
    ):
        assert "not there any more" in last(steps)[0].status
    with pytest.raises(gr.Error):
        own_model_panel.card_file(None)


def test_whole_pixels_are_measured_without_a_mean(models, tmp_path, few):
    own = models.begin(asking("one"), uploaded(tmp_path, ("net.onnx", make(Kind(dtype="uint8", norm=True)))))
    bringing, fields = last(bring.measure_settings(models, own, asking("one"), few, *form()))
    assert "(pixel − 0) / 1" in bringing.evidence and "127.5" not in bringing.evidence
    assert (fields.mean, fields.scale) == ("0", 1.0) and len(own.tried) == 4


def test_what_is_unticked_stays_as_it_was_filled_in(models, tmp_path, few):
    own = models.begin(asking("one"), uploaded(tmp_path, NETWORK))
    kept = form(measured=["channel order"])
    last(bring.measure_settings(models, own, asking("one"), few, *kept))
    assert {each.preprocess for each in own.tried} == {
        Preprocess("box", 8, 1.2, "edge", (1.0, 2.0, 3.0), 4.0, channels) for channels in ("RGB", "BGR")
    }


@pytest.fixture
def few(tmp_path, monkeypatch) -> EmbeddingStore:
    """A set of which few faces are tried on."""
    monkeypatch.setattr("sfpn.evaluation.preprocess_search.PEOPLE", 8)
    monkeypatch.setattr("sfpn.evaluation.preprocess_search.PICTURES_EACH", 4)
    return EmbeddingStore(DatasetView.open(FaceDataset.open(SYNTHETIC), tmp_path / "thumbnails"), {})


def test_our_own_network_without_its_card_is_measured_and_used(models, tmp_path, few):
    """From the bare file to a verdict: the search finds the preprocessing that the export wrote into its card."""
    from sfpn.__main__ import main
    from sfpn.commands import export

    del export
    models.rules = Rules(10_000_000)
    assert main(["export", "depthwise", "--format", "onnx", "--out", str(tmp_path / "own.onnx")]) == 0
    true = load_card(tmp_path / "own.onnx")
    bringing, fields = last(bring.open_upload(models, uploaded(tmp_path, tmp_path / "own.onnx"), asking("one")))
    own = models.pending_of(asking("one"))
    assert "no card" in bringing.status and fields.size == 113
    asked = Fields(*(value if value != gr.skip() else "" for value in fields))._replace(name="bare")
    bringing, found = last(bring.measure_settings(models, own, asking("one"), few, *asked))
    assert "best in resamples" in bringing.evidence and "box x 1.35 113 px, RGB, (pixel − 0) / 1" in bringing.evidence
    filled = asked._replace(**{k: v for k, v in found._asdict().items() if v != gr.skip()})
    last(bring.use_model(models, own, asking("one"), *filled))
    embedder = models.models_of(asking("one"))["bare"]
    assert embedder.card.preprocess == true.preprocess
    assert embedder.card.extra["preprocess_chosen_by"].startswith("lowest of 20 EERs on synthetic")
    verify_without_thresholds(models)


def verify_without_thresholds(models: OwnModels) -> None:
    detector, known = FaceDetector(), models.models_of(asking("one"))
    pictures = [drawn("frontal"), drawn("frontal", 1)]
    first, second = [(see(detector, f"{number}.png", encoded),) for number, encoded in enumerate(pictures)]
    shown = compare(known, detector, first, second, "bare", 0.001, 0.0)
    assert "no thresholds yet" in shown.verdict and shown.notice == "" and shown.axis["visible"] is False
    expected = load_embedder("depthwise")
    crops = [expected.preprocess.crop(side[0].shot().photo.image, side[0].face) for side in (first, second)]
    one, other = expected.embed(crops)
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    assert shown.as_json["score"] == pytest.approx(cosine, abs=1e-3)
    assert judge(known, shown.result, 0.01) == JudgedValues(*[gr.skip()] * len(JudgedValues._fields))


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[tuple[gr.Blocks, str]]:
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "uploads"))
        save_random_model(folder / "random.safetensors")
        arguments = ["--model", str(folder / "random.safetensors"), "--dataset", str(write_dataset(folder / "data"))]
        page = app.build(app.load(app.parse([*arguments, "--own-model", "1"])))
        page.queue(**app.queue_settings())
        _, address, _ = page.launch(**app.launch_settings(), prevent_thread_lock=True, quiet=True)
        yield page, address
        page.close()
        page.own_models.close_all()  # type: ignore[attr-defined]


def test_two_visitors_of_the_running_app(running, tmp_path):
    page, address = running
    config = httpx.get(f"{address}config").json()
    path = save(tmp_path / "net.onnx", make(Kind()), descriptor_size=5)
    visitors = [Visitor(address), Visitor(address)]
    for visitor in visitors:
        visitor.open()
    uploads = [visitors[0].upload(file.read_bytes(), file.name) for file in (path, path.with_suffix(".json"))]
    answer = visitors[0].ask(handler_of(config, "own-model-file", "upload")["id"], [uploads])
    assert answer["success"] and "can be chosen" in str(answer["output"])
    [own] = page.own_models._open.values()  # type: ignore[attr-defined]
    save_handler = handler_of(config, "own-model-save", "click")["id"]
    saved = [visitor.ask(save_handler, []) for visitor in visitors]
    assert "net.json" in str(saved[0]["output"]) and "not there any more" in str(saved[1]["output"])
    for visitor in visitors:  # the private folder is nobody's to read
        assert visitor.get(f"gradio_api/file={own.weights}").status_code == 403
    layer = page.app.middleware_stack
    while not isinstance(layer, Gate):
        layer = layer.app  # type: ignore[union-attr]
    wait_for(layer.sessions.forget(page.app, own.session))
    assert not own.folder.exists() and not page.own_models._open  # type: ignore[attr-defined]


def test_a_public_page_neither_shows_nor_takes_models(tmp_path, monkeypatch):
    with pytest.raises(SystemExit):
        app.parse(["--public", "--own-model"])
    monkeypatch.setenv("SPACE_ID", "user/space")
    for arguments in (["--own-model"], ["--no-public", "--own-model"]):
        with pytest.raises(SystemExit):
            app.parse(arguments)
    monkeypatch.delenv("SPACE_ID")
    assert app.model_rules(Options(public=True, own_model_megabytes=300)) is None
    assert app.model_rules(app.parse([])) is None
    save_random_model(tmp_path / "random.safetensors")
    for arguments in ([], ["--public"]):
        options = [
            "--model",
            str(tmp_path / "random.safetensors"),
            "--dataset",
            str(write_dataset(tmp_path / f"d{len(arguments)}")),
        ]
        page = app.build(app.load(app.parse([*options, *arguments])))
        assert "own-model" not in json.dumps(page.get_config_file(), default=str)


def test_the_option_bounds_the_upload():
    assert app.rules(app.parse(["--own-model", "700"])).upload_bytes == 701_000_000
    assert app.model_rules(app.parse(["--own-model"])).total_bytes == 300_000_000
    assert app.model_rules(app.parse(["--own-model", "0"])) is None
