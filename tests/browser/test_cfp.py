"""Real faces: a part of CFP, built on the spot, with the bundled reports of two models, which were made on the whole of it."""

from __future__ import annotations

import json
import subprocess
import sys
from urllib.parse import unquote

import pytest
from helpers.browsing import SIZES, served, visitor
from helpers.clicks import click_heat_map, drawn, open_tab
from helpers.paths import ROOT
from helpers.shared_material import CFP, needs_cfp

pytestmark = needs_cfp
IMAGES = 140  # ten people
REPORTS = [f"demo/assets/reports/cfp-{name}" for name in ("base", "depthwise")]


@pytest.fixture(scope="module")
def cfp(browser, uploads, tmp_path_factory):
    """The address of the app on the first pictures of CFP."""
    folder = tmp_path_factory.mktemp("cfp")
    build = [
        sys.executable,
        "-m",
        "data_tools",
        "build",
        "cfp",
        str(CFP),
        "--out",
        str(folder / "cfp"),
        "--limit",
        str(IMAGES),
    ]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    options = ["--dataset", str(folder / "cfp"), "--report", *REPORTS, "--model", "base", "depthwise"]
    with served(folder, options, uploads) as address:
        yield address


@pytest.mark.parametrize("size", SIZES)
def test_from_a_cell_to_a_pair_of_faces_and_its_neighbours(browser, cfp, size):
    """The report is of another build: the page says so, shows the pictures there are, and names the others."""
    with visitor(browser, cfp, SIZES[size]) as visit:
        page = visit()
        open_tab(page, "Pose errors")
        drawn(page, "#matrix")
        assert page.input_value("#report input").startswith("base · cfp")
        assert "another build of cfp" in page.inner_text("#report-about")
        click_heat_map(page, "#matrix", 0, 0, 2, 2)
        page.wait_for_function("document.querySelector('#cell-title')?.innerText.includes('F-F')")
        click_heat_map(page, "#matrix", 1, 1, 2, 2)
        page.wait_for_function("document.querySelector('#cell-title')?.innerText.includes('P-P')")
        page.get_by_label("50", exact=True).check()
        page.wait_for_function("document.querySelectorAll('#hardest-genuine .pairs > *').length === 50")
        assert page.locator("#hardest-genuine .absent").count() > 0
        button = page.locator("#hardest-genuine button").first
        pair = json.loads(button.get_attribute("data-select"))
        button.locator("img").first.scroll_into_view_if_needed()
        page.wait_for_function("document.querySelector('#hardest-genuine button img').naturalWidth > 0")
        button.click()
        page.wait_for_selector("#photos-b svg", state="attached")
        assert unquote(page.url).endswith("?pair=" + ",".join(pair))
        page = visit(f"?sample={pair[0]}")
        page.wait_for_selector("#sample svg image")
        assert page.locator("#sample td").first.inner_text() == pair[0]


def test_difference_of_the_two_models(browser, cfp):
    with visitor(browser, cfp, SIZES["desk"]) as visit:
        page = visit()
        open_tab(page, "Pose errors")
        page.locator("#other-report input").click()
        page.get_by_role("option", name="depthwise", exact=False).first.click()
        drawn(page, "#difference")
        assert "paired" in page.inner_text("#difference-reading")
