"""A cell of the pose matrix in a real browser: threshold, saved figures and lists, two reports, reports on request."""

from __future__ import annotations

import io
import xml.etree.ElementTree
import zipfile

import pandas as pd
import pytest
from helpers.clicks import click_heat_map, drawn, open_tab, place, settled
from PIL import Image

from sfpn.evaluation.report import REPORT_FILE, Report


@pytest.fixture
def pose_errors(visit):
    page = visit()
    open_tab(page, "Pose errors")
    for figure in ("#matrix", "#det", "#scores"):
        drawn(page, figure)
    return page


def test_a_cell_and_the_threshold_by_keyboard(visit):
    page = visit("?cell=profile,profile&model=two")
    page.wait_for_function("document.querySelector('#cell-title')?.innerText.includes('P-P')")
    assert "two" in page.input_value("#report input")
    page.wait_for_selector("#cell-rates b")
    before = page.inner_text("#cell-rates")
    page.bring_to_front()
    slider = page.locator("#cell-threshold input[type=range]")
    slider.press("Home")
    page.wait_for_function("before => document.querySelector('#cell-rates').innerText !== before", arg=before)
    assert settled(page, "#cell-rates") != before, "a late answer of the opening puts the threshold back"
    assert slider.evaluate("each => each.value === each.min")


def test_html_in_an_address_is_text(visit):
    page = visit("?cell=%3Cb id=evil%3Eno%3C/b%3E,profile&model=%3Cb id=evil%3E")
    page.wait_for_selector("[data-testid=toast-text]")
    assert "<b id=evil>no</b>-profile of the model <b id=evil>" in page.inner_text("[data-testid=toast-text]")
    assert page.locator("#evil").count() == 0


def test_the_threshold_is_dragged_and_both_rates_follow(pose_errors):
    page = pose_errors
    page.wait_for_selector("#cell-rates b")
    before = settled(page, "#cell-rates")
    low, high, line = page.evaluate(
        """() => {
            const layout = document.querySelector('#scores .js-plotly-plot')._fullLayout;
            return [...layout.xaxis.range, layout.shapes[0].x0];
        }"""
    )
    height = page.evaluate("document.querySelector('#scores .js-plotly-plot')._fullLayout.yaxis.range[1] / 2")
    start, stop = place(page, "#scores", line, height), place(page, "#scores", (line + high) / 2, height)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*stop, steps=8)
    page.wait_for_function(
        "before => document.querySelector('#cell-rates').innerText !== before", arg=before
    )  # while it is held
    page.mouse.up()
    page.wait_for_function(
        "x => document.querySelector('#scores .js-plotly-plot')._fullLayout.shapes[0].x0 > x", arg=(2 * line + high) / 3
    )
    moved = page.evaluate("document.querySelector('#scores .js-plotly-plot')._fullLayout.shapes[0].x0")
    page.wait_for_function(
        "x => Math.abs(document.querySelector('#cell-threshold input[type=number]').value - x) < 0.002", arg=moved
    )
    page.wait_for_function(
        "x => document.querySelector('#cell-rates').innerText.includes((Math.round(x * 1024) / 1024).toFixed(4))",
        arg=moved,
    )


def test_figures_do_not_depend_on_the_address(pose_errors):
    """A clip path that is named by an older address of the page hides what it should clip, or does not clip it."""
    page = pose_errors
    click_heat_map(page, "#matrix", 2, 0, 3, 3)
    page.wait_for_function("location.search.includes('cell=frontal,profile')")
    page.wait_for_selector("#det .scatterlayer path", state="attached")
    found = page.evaluate(
        """[...document.querySelectorAll('#matrix [clip-path], #det [clip-path]')].map(
            part => part.getAttribute('clip-path')
        )"""
    )
    assert len(found) > 2 and all(address.startswith("url(#") for address in found)


def test_a_cell_of_the_error_map_shows_its_pairs_and_one_opens(pose_errors):
    page = pose_errors
    drawn(page, "#error-map")
    page.locator("#error-map").scroll_into_view_if_needed()
    spot = place(page, "#error-map", 0, 0)
    page.mouse.move(spot[0] - 2, spot[1])
    page.mouse.move(*spot)
    page.mouse.click(*spot)
    page.wait_for_selector("#map-genuine button")
    assert "yaw 0°, pitch 0°" in page.inner_text("#map-cell-title")
    page.locator("#map-rate label", has_text="strangers").click()
    page.wait_for_selector("#map-genuine button", state="hidden")  # they were those of another map
    page.mouse.move(spot[0] - 2, spot[1])
    page.mouse.click(*place(page, "#error-map", 0, 0))
    page.wait_for_selector("#map-impostor button")
    page.locator("#map-impostor button").first.click()
    page.wait_for_function("location.search.includes('pair=')")


def test_a_pair_says_why_it_has_its_score(pose_errors):
    page = pose_errors
    page.wait_for_selector("#hardest-genuine button")
    assert not page.locator("#hardest-genuine-why").is_visible()
    page.locator("#hardest-genuine .why").nth(1).click()
    page.wait_for_selector("#hardest-genuine-why .why-scale")
    assert page.locator("#hardest-genuine-why img").count() == 2
    assert "The score is" in page.inner_text("#hardest-genuine-why")
    score = page.inner_text("#hardest-genuine .pair >> nth=1").split()[0].replace("−", "-")
    shown = page.inner_text("#hardest-genuine-why").split("The score is ")[1].split(". ")[0].replace("−", "-")
    assert abs(float(score) - float(shown)) < 0.006
    page.locator("#pair-count label").nth(1).click()
    page.wait_for_selector("#hardest-genuine-why", state="hidden")  # it was about a pair of another list


FIGURES = {
    "error-map": "error-map",
    "matrix": "pose-matrix",
    "det": "det",
    "scores": "scores",
    "yaw-difference": "eer-by-yaw-difference",
}


@pytest.mark.parametrize(
    "figures", [("matrix", "det"), ("scores", "yaw-difference"), ("error-map",)]
)  # Chromium ends a row of ten quick downloads
def test_figures_and_their_numbers_are_saved(pose_errors, figures):
    page = pose_errors
    for figure in figures:
        name, files = FIGURES[figure], {}
        for kind in ("png", "svg", "csv"):
            with page.expect_download() as saved:
                page.locator(f"#{figure} .plotly-view-{kind}").click()
            assert saved.value.suggested_filename == f"{name}.{kind}"
            files[kind] = saved.value.path().read_bytes()
        assert min(Image.open(io.BytesIO(files["png"])).size) > 300
        assert xml.etree.ElementTree.fromstring(files["svg"]).tag.endswith("svg")
        assert len(pd.read_csv(io.BytesIO(files["csv"]))) > 3


def test_pairs_and_report_are_saved(pose_errors, tmp_path):
    page = pose_errors
    page.wait_for_selector("#hardest-genuine button")
    with page.expect_download() as saved:
        page.click("#pairs-csv")
    assert (
        saved.value.suggested_filename == "hardest-pairs-frontal-profile.csv"
        and len(pd.read_csv(saved.value.path())) == 24
    )
    with page.expect_download() as saved:
        page.click("#report-zip")
    with zipfile.ZipFile(saved.value.path()) as archive:
        archive.extractall(tmp_path)
    assert Report.load(next(tmp_path.glob(f"*/{REPORT_FILE}")).parent).header["model"] == "one"


def test_two_reports_side_by_side(pose_errors):
    page = pose_errors
    page.locator("#other-report input").click()
    page.get_by_role("option", name="two", exact=False).first.click()
    page.wait_for_selector("#difference .scatterlayer path", state="attached")
    assert "paired" in page.inner_text("#difference-reading")
    page.wait_for_function("document.querySelector('#det .js-plotly-plot')._fullData.length === 2")
    page.wait_for_function("document.querySelector('#yaw-difference .js-plotly-plot')._fullData.length === 2")
    with page.expect_download() as saved:
        page.locator("#difference .plotly-view-csv").click()
    table = pd.read_csv(saved.value.path())
    assert len(table) == 6 and ((table["low"] <= table["difference"]) & (table["difference"] <= table["high"])).all()


def test_choices_made_in_a_hurry_are_answered_and_then_nothing_is_asked(pose_errors):
    page, asked = pose_errors, []
    for name in ("two", "one", "two"):
        page.locator("#report input").click()
        page.get_by_role("option", name=name, exact=False).first.click()
    open_tab(page, "Embeddings")
    for number in (1, 0, 1):
        page.locator("#map-model input").click()
        page.get_by_role("option").nth(number).click()
    drawn(page, "#map")
    page.wait_for_selector("#spread-reading strong, #spread-reading p")
    page.wait_for_timeout(5000)
    page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
    page.wait_for_timeout(3000)
    assert asked == []


CANCEL_AS_SOON_AS_IT_RUNS = """() => new MutationObserver((_, observer) => {
  if (!document.querySelector('#report-status progress')) return;
  observer.disconnect();
  document.querySelector('#report-cancel').click();
  window.cancelled = true;
}).observe(document.body, {childList: true, subtree: true})"""  # a small report is soon there


def ask_for_report(page, model: str, protocol: str) -> None:
    """Start the computation of a report."""
    if not page.locator("#report-start").is_visible():
        page.locator("#compute-report button").first.click()
    for selector, words in (("#report-model", model), ("#report-protocol", protocol)):
        page.locator(f"{selector} input").click()
        page.get_by_role("option", name=words, exact=True).click()
    page.click("#report-start")


def offered(page) -> list[str]:
    """The reports in the list."""
    page.locator("#report input").click()
    page.get_by_role("option").first.wait_for()
    found = page.get_by_role("option").all_inner_texts()
    page.keyboard.press("Escape")
    return found


def test_a_report_on_request_shows_progress_is_kept_and_listed(pose_errors, visit, explorer_folder):
    page = pose_errors
    ask_for_report(page, "one", "all-pairs")
    page.wait_for_selector("#report-status progress")
    page.wait_for_selector("#report-status code", timeout=120_000)
    assert page.input_value("#report input") == "one · synthetic · all-pairs protocol"
    (kept,) = (explorer_folder / "people" / "reports").glob("one-*-all-pairs-*")
    assert Report.load(kept).header["protocol"] == "all-pairs" and str(kept) in page.inner_text("#report-status")
    page = visit()
    open_tab(page, "Pose errors")
    drawn(page, "#matrix")
    assert any("all-pairs" in title for title in offered(page))


def test_a_report_on_request_is_cancelled(pose_errors, explorer_folder):
    page = pose_errors
    page.evaluate(CANCEL_AS_SOON_AS_IT_RUNS)
    ask_for_report(page, "three", "vggface2-pose")
    page.wait_for_function("window.cancelled")
    page.wait_for_selector("#report-status progress", state="detached")
    assert not any("three" in title for title in offered(page))
    assert not list((explorer_folder / "people").glob("reports/three-*"))
