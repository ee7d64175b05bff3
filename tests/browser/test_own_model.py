"""Drop an ONNX file without a card, see the evidence, use the model in three tabs, and take its card along.

The network is a small one that tells people apart by their colours: what is tested is the path, not the network.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="needs onnx (requirements-dev.txt)")
pytest.importorskip("onnxruntime", reason="needs onnxruntime (requirements-dev.txt)")

from helpers.browsing import SIZES, served, visitor  # noqa: E402
from helpers.clicks import drawn, open_tab  # noqa: E402
from helpers.drawn_networks import Kind, make  # noqa: E402
from helpers.drawn_people import write_people  # noqa: E402

from sfpn.network.card import load_card  # noqa: E402
from sfpn.network.embedders import load_embedder  # noqa: E402

MILLISECONDS = 120_000


@pytest.fixture(scope="module")
def address(browser, uploads, tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("own-model")
    write_people(folder / "people", 3)
    options = ["--model", "depthwise", "--dataset", str(folder / "people"), "--own-model", "5"]
    with served(folder, options, uploads) as address:
        yield address


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("network") / "colours.onnx"
    file.write_bytes(make(Kind(layout="NHWC", batch=2, norm=True, size=16)))
    return file


def give(page, *files: Path) -> None:
    """Open the panel and drop files."""
    open_tab(page, "Model")
    page.locator("#own-model-open").click()
    page.locator("#own-model-file input[type=file]").set_input_files(files)


@pytest.mark.parametrize("size", SIZES)
def test_from_a_bare_file_to_its_use_in_every_tab(browser, address, network, size, tmp_path):
    with visitor(browser, address, SIZES[size]) as visit:
        page = visit()
        give(page, network)
        page.locator("#own-model-status", has_text="has no card").wait_for(timeout=MILLISECONDS)
        assert page.locator("#own-model-size input").input_value() == "16"
        page.locator("#own-model-measure").click()
        page.locator("#own-model-evidence tr.best").wait_for(timeout=MILLISECONDS)
        assert page.locator("#own-model-evidence tbody tr").count() == 8
        page.locator("#own-model-use").click()
        page.locator("#own-model-status", has_text="Done").wait_for(timeout=MILLISECONDS)
        page.locator("#card-facts", has_text="colours").wait_for()
        with page.expect_download() as saved:
            page.locator("#own-model-save").click()
        (tmp_path / "colours.onnx").write_bytes(network.read_bytes())
        Path(saved.value.path()).rename(tmp_path / "colours.json")
        assert load_embedder(tmp_path / "colours.onnx").name == "colours"
        assert "of 20 EERs on" in load_card(tmp_path / "colours.onnx").extra["preprocess_chosen_by"]
        use_in_tabs(page)
        other = visit()
        other.locator("#model input").click()
        assert [
            option.inner_text() for option in other.get_by_role("option").all() if "colours" in option.inner_text()
        ] == []
        other.close()
        open_tab(page, "Model")
        page.locator("#own-model-close").click()
        page.locator("#own-model-status", has_text="was deleted").wait_for()
        page.locator("#card-facts", has_text="depthwise").wait_for()


def choose(page, dropdown: str) -> None:
    field = page.locator(f"{dropdown} input")
    field.evaluate("element => element.scrollIntoView({block: 'center'})")  # or its options may lie below the window
    field.click()
    page.get_by_role("option", name="colours (yours)").click()


def use_in_tabs(page) -> None:
    """A score without a verdict, a map, and a report."""
    open_tab(page, "Verify")
    choose(page, "#model")
    page.locator("#examples [data-select]").first.click()
    page.locator("#verdict", has_text="no thresholds yet").wait_for(timeout=MILLISECONDS)
    assert "Score" in page.locator("#verdict h2").inner_text() and not page.locator("#threshold").is_visible()
    open_tab(page, "Embeddings")
    choose(page, "#map-model")
    page.locator("#compute").click()
    drawn(page, "#map")
    open_tab(page, "Pose errors")
    page.locator("#compute-report button").first.click()
    choose(page, "#report-model")
    page.locator("#report-start").click()
    page.locator("#report-status", has_text="Nobody else sees it").wait_for(timeout=MILLISECONDS)
    page.locator("#report-about", has_text="weights").wait_for()


def test_what_is_no_model_is_said_in_one_sentence(browser, address, tmp_path):
    (tmp_path / "no.onnx").write_text("no network")
    with visitor(browser, address, SIZES["desk"]) as visit:
        page = visit()
        give(page, tmp_path / "no.onnx")
        notice = page.locator("#own-model-status .notice")
        notice.wait_for(timeout=MILLISECONDS)
        assert "no.onnx: not a readable ONNX model" in notice.inner_text()
        assert not page.locator("#own-model-form").is_visible()
