"""A part of a dataset, with the bundled reports of two models, which were made on the whole of it.

Once with drawn people, and where CFP lies beside the project, with its real faces.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pytest
from helpers.browsing import SIZES, served, visitor
from helpers.clicks import click_heat_map, drawn, open_tab
from helpers.drawn_people import write_people
from helpers.paths import ROOT
from helpers.shared_material import CFP, needs_cfp

IMAGES = 140  # ten people of CFP
PEOPLE = 12  # drawn ones


class Part(NamedTuple):
    """The running app, the dataset that it shows a part of, and the poses of its matrix."""

    address: str
    dataset: str
    poses: int


def write_cfp(folder: Path) -> None:
    """The first pictures of CFP."""
    build = f"{sys.executable} -m data_tools build cfp --limit {IMAGES}".split()
    subprocess.run([*build, str(CFP), "--out", str(folder)], cwd=ROOT, check=True, capture_output=True)


@pytest.fixture(scope="module", params=["synthetic", pytest.param("cfp", marks=needs_cfp)])
def part(request, browser, uploads, tmp_path_factory) -> Iterator[Part]:
    name = request.param
    folder = tmp_path_factory.mktemp(name)
    if name == "cfp":
        write_cfp(folder / name)
    else:
        write_people(folder / name, PEOPLE)
    reports = [f"demo/assets/reports/{name}-{model}" for model in ("base", "depthwise")]
    options = ["--dataset", str(folder / name), "--report", *reports, "--model", "base", "depthwise"]
    with served(folder, options, uploads) as address:
        yield Part(address, name, 2 if name == "cfp" else 3)


@pytest.mark.parametrize("size", SIZES)
def test_from_a_cell_to_a_pair_of_faces_and_its_neighbours(browser, part, size):
    """The report is of another build: the page says so, shows the pictures there are, and names the others."""
    with visitor(browser, part.address, SIZES[size]) as visit:
        page = visit()
        open_tab(page, "Pose errors")
        drawn(page, "#matrix")
        assert page.input_value("#report input").startswith(f"base · {part.dataset}")
        assert f"another build of {part.dataset}" in page.inner_text("#report-about")
        click_heat_map(page, "#matrix", 0, 0, part.poses, part.poses)
        page.wait_for_function("document.querySelector('#cell-title')?.innerText.includes('F-F')")
        click_heat_map(page, "#matrix", part.poses - 1, part.poses - 1, part.poses, part.poses)
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


def test_difference_of_the_two_models(browser, part):
    with visitor(browser, part.address, SIZES["desk"]) as visit:
        page = visit()
        open_tab(page, "Pose errors")
        page.locator("#other-report input").click()
        page.get_by_role("option", name="depthwise", exact=False).first.click()
        drawn(page, "#difference")
        assert "paired" in page.inner_text("#difference-reading")
