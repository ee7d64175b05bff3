"""A visitor's own model in the tab On your device: refused in a sentence, or measured as Python measures it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.on_device import private_cache, static_page
from helpers.own_models import CARD, SIDE, changed, encoded, with_card

from demo.on_device.drawn_faces import REPORTS
from sfpn.commands.export import faces_of_all_poses
from sfpn.commands.options import DRAWN_PEOPLE
from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import embed_dataset
from sfpn.data.selection import Selection
from sfpn.evaluation import metrics
from sfpn.evaluation.comparisons import Samples
from sfpn.evaluation.protocol import PROTOCOLS
from sfpn.evaluation.report import Report
from sfpn.evaluation.tally import tally
from sfpn.network import checkpoint
from sfpn.network.card import load_card
from sfpn.network.embedders import OnnxEmbedder
from sfpn.network.export import export

pytest.importorskip("onnx", reason="needs onnx (requirements-dev.txt)")
METRICS = """async ([genuine, impostor]) => {
  const m = await import('./metrics.js'), g = new m.Scores(genuine), i = new m.Scores(impostor);
  return { eer: m.eer(g, i), points: m.FMR_TARGETS.map(target => m.operatingPoint(g, i, target)) };
}"""
SAME_EER = 0.0005  # what rounding in another order may move the EER of a cell by
SAME_FNMR = 0.003  # and its FNMR, which hangs on one threshold
PATIENCE = 1_800_000  # ms: 1,800 faces take a minute on an idle machine
NOTICE, RESULT = ".od-own-status .notice", ".od-own-result .od-matrix"


@pytest.fixture(scope="module")
def address(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    with static_page(folder / "page", private_cache(folder)) as address:
        yield address


@pytest.fixture
def page(browser, address):
    """The exported page, ready, with its part for own models open; nothing but GET may leave it."""
    page, requests = browser.new_page(viewport={"width": 1280, "height": 1000}), []
    page.set_default_timeout(300_000)
    page.on("request", lambda r: None if r.method == "GET" and not r.post_data_buffer else requests.append(r.url))
    page.on("request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else requests.append(r.url))
    page.goto(address)
    page.wait_for_selector(".od-ready")
    page.locator(".od-own summary").click()
    yield page
    assert page.locator("#bytes-sent").inner_text() == "0"
    page.close()
    assert requests == []


def start(page, files: list[Path]) -> None:
    page.locator("#od-own-model").set_input_files(files[0])
    page.locator("#od-own-card").set_input_files(files[1:])
    page.locator("#od-own-start").click()


def refusal(page, files: list[Path]) -> str:
    start(page, files)
    page.locator("#od-own-start").wait_for()
    return page.locator(NOTICE).inner_text()


def shown(page, model: str) -> dict[str, float]:
    """Pose pair -> the rate that the matrix of a model shows."""
    cells = page.locator(f".od-matrix[data-model='{model}'] td[data-pair]").all()
    return {cell.get_attribute("data-pair"): float(cell.get_attribute("data-rate")) for cell in cells}


def of_python(file: Path) -> dict[tuple[str, int], tuple[metrics.EqualErrorRate, list]]:
    """(Pose pair, images a side) -> EER and operating points, by the library."""
    people = FaceDataset.open(DRAWN_PEOPLE)
    rows, embeddings = people.rows(), embed_dataset(people, OnnxEmbedder(file))
    row_ids, identities, poses = (rows[name] for name in ("row_id", "identity", "pose"))
    samples = Samples.build(
        row_ids, identities, poses, embeddings.values, rows["yaw_degrees"], embeddings.acquired, rows["template"]
    )
    found = {}
    for chosen, plan in PROTOCOLS["vggface2-pose"].plan(samples, people.pairs(), 0):
        if plan.pose_pair:
            scores = tally(chosen, plan.comparisons).treated("whole_image")
            points = [metrics.operating_point(*scores, target) for target in metrics.FMR_TARGETS]
            found[plan.pose_pair, plan.template_size] = metrics.eer(*scores), points
    return found


@pytest.mark.parametrize("seed", range(6))
def test_rates_of_the_same_scores_are_those_of_python(page, seed):
    random = np.random.default_rng(seed)
    digits = (6, 2, 1)[seed % 3]  # few digits: many ties
    genuine, impostor = (
        np.round(random.normal(mean, 0.2, count), digits).clip(-1, 1).astype(np.float32)
        for mean, count in ((0.6, 37 + 300 * seed), (0.1, 290 + 5000 * seed))
    )
    found = page.evaluate(METRICS, [genuine.tolist(), impostor.tolist()])
    expected = metrics.eer(genuine, impostor)
    assert (found["eer"]["rate"], found["eer"]["threshold"]) == (expected.rate, expected.threshold)
    for theirs, target in zip(found["points"], metrics.FMR_TARGETS, strict=True):
        mine = metrics.operating_point(genuine, impostor, target)
        assert (theirs["threshold"], theirs["fmr"], theirs["fnmr"]) == (mine.threshold, mine.fmr, mine.fnmr), target


def test_small_model_is_measured_as_python_measures_it(page, tmp_path):
    files = with_card(tmp_path, "means", encoded(), CARD)
    expected = of_python(files[0])
    start(page, files)
    page.wait_for_selector(RESULT)
    for number, target in enumerate((None, *metrics.FMR_TARGETS)):
        page.locator("#od-own-metric").select_option(index=number)
        for index, size in enumerate((1, 5)):
            page.locator("#od-own-size").select_option(index=index)
            rates = shown(page, "means")
            cells = {pair: held for (pair, held_size), held in expected.items() if held_size == size}
            wanted = {
                pair: eer.rate if target is None else points[number - 1].fnmr for pair, (eer, points) in cells.items()
            }
            assert rates.keys() == {pair for pair, rate in wanted.items() if rate is not None}
            for pair, rate in rates.items():
                assert rate == pytest.approx(wanted[pair], abs=SAME_EER if target is None else SAME_FNMR), (
                    target,
                    size,
                    pair,
                )


def test_our_own_export_has_the_rates_of_the_report_that_ships(page, tmp_path):
    preprocess = load_card(checkpoint.resolve("depthwise")).preprocess
    [check_on] = faces_of_all_poses(Selection.parse(str(DRAWN_PEOPLE)), preprocess, 8)
    exported = export("depthwise", "onnx", tmp_path / "mine.onnx", check_on)
    start(page, [exported.path])  # its card is inside
    page.locator(".examples button").first.click()  # the tab goes on working meanwhile
    page.wait_for_selector(".on-device .verdict:not(.waiting)")
    page.wait_for_selector(RESULT, timeout=PATIENCE)
    report = Report.load(REPORTS / "synthetic-depthwise")
    for index, size in enumerate((1, 5)):
        page.locator("#od-own-size").select_option(index=index)
        rates, ours = shown(page, exported.card.name), shown(page, "depthwise")
        assert len(rates) == 6 and rates.keys() == ours.keys()
        for pair, rate in rates.items():
            assert ours[pair] == report.cell(pair, size).rates().eer
            assert rate == pytest.approx(ours[pair], abs=SAME_EER), (pair, size)
    assert "1,000 numbers" in page.locator(".od-own-result").inner_text()


def test_measuring_can_be_cancelled(page, tmp_path):
    start(page, with_card(tmp_path, "means", encoded(), CARD))
    page.wait_for_selector(".od-own-status progress")
    page.locator("#od-own-cancel").click()
    page.locator("#od-own-start").wait_for()
    assert "Cancelled" in page.locator(".od-own-status").inner_text()
    assert page.locator(RESULT).count() == 0 and not page.locator("#od-own-cancel").is_visible()


CARDS = {
    "is not JSON": "{",
    "it is not a JSON object": "[1]",
    "name is missing": json.dumps({key: value for key, value in CARD.items() if key != "name"}),
    "licence must be a text": changed(licence=3),
    "name must be printable": changed(name="\x00"),
    "architecture.type is not onnx": changed(architecture={"type": "SqueezeFacePoseNet"}),
    "descriptor_size must be a whole number": changed(architecture={"type": "onnx", "descriptor_size": True}),
    "preprocess has a field crop, which is not known": changed(preprocess={"crop": 3}),
    "preprocess.geometry must be box or five_point": changed(preprocess={"geometry": "oval"}),
    "preprocess.size must be 1 to 1024": changed(preprocess={"size": 5000}),
    "preprocess.mean must be three numbers": changed(preprocess={"mean": [1, 2]}),
    "preprocess.scale must be above zero": changed(preprocess={"scale": 0}),
    "preprocess.crop_factor must be above zero": changed(preprocess={"crop_factor": -1}),
    "descriptor_mean has 3 numbers, not 48": changed(descriptor_mean=[0, 0, 0]),
    "pose_direction must be a list of numbers": changed(pose_direction=["a"]),
    "mirror_sum must be true or false": changed(mirror_sum="yes"),
    "SHA-256 differs": changed(weights_sha256="0" * 64),
    "weights_sha256 must be a SHA-256": changed(weights_sha256="<b>"),
}


def test_cards_that_do_not_hold_what_they_should_are_refused(page, tmp_path):
    for expected, card in CARDS.items():
        words = refusal(page, with_card(tmp_path, "means", encoded(), card))
        assert expected in words and "\n" not in words and len(words) < 300, words
    words = refusal(page, with_card(tmp_path, "means", encoded(card=changed(preprocess={"scale": -1})), None))
    assert words.startswith("the card inside means.onnx: not a valid card (preprocess.scale")


def test_files_that_are_no_face_network_are_refused(page, tmp_path):
    whole = encoded()
    files = {
        "is not an ONNX file": (b"hello", CARD),
        "or is cut off": (whole[:-20], CARD),
        "holds no card": (whole, None),
        "keeps weights in a second file (secret.bin)": (encoded(beside="secret.bin"), CARD),
        "uses an operator that ONNX Runtime has not in this browser": (
            encoded(operator="Frobnicate", domain="x"),
            CARD,
        ),
        "has one input, the picture; this has 2": (encoded(inputs=2), CARD),
        "takes int64": (encoded(kind="INT64"), CARD),
        "takes pixels as they are (uint8)": (encoded(kind="UINT8"), CARD),
        f"batch of colour pictures of {SIDE}x{SIDE}": (encoded(shape=("faces", 3, 48, 48)), CARD),
        "axes of a picture": (encoded(shape=("faces", 3)), CARD),
        "has no output that is an embedding of 64 numbers": (
            whole,
            changed(architecture={"type": "onnx", "descriptor_size": 64}),
        ),
        "has no output called nose": (whole, changed(architecture={"type": "onnx", "output": "nose"})),
        "gives an embedding of zeros": (encoded(factor=0), CARD),
        "NaN or infinity": (encoded(factor=float("nan")), CARD),
    }
    for expected, (content, card) in files.items():
        words = refusal(page, with_card(tmp_path, "means", content, card))
        assert expected in words and "\n" not in words and len(words) < 500, words
    large = tmp_path / "large.onnx"
    with large.open("wb") as stream:
        stream.truncate(101_000_000)
    assert "has 101 MB, more than the 100 MB" in refusal(page, [large])


@pytest.mark.parametrize(
    "shape", [(3, 3, SIDE, SIDE), ("faces", SIDE, SIDE, 3)], ids=["three at once", "channels last"]
)
def test_other_layouts_give_the_same_rates(page, tmp_path, shape):
    files = with_card(tmp_path, "means", encoded(shape=shape), CARD)
    start(page, files)
    page.wait_for_selector(RESULT)
    expected = of_python(files[0])
    for pair, rate in shown(page, "means").items():
        assert rate == pytest.approx(expected[pair, 1][0].rate, abs=SAME_EER)
