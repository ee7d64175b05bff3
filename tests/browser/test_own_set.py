"""Drop a ZIP, see the ledger, fix a label, see the matrix, save the report, take the set along; and other visitors.

Once with drawn people, and where CFP lies beside the project, with its real faces.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.browsing import SIZES, served, visitor
from helpers.clicks import open_tab
from helpers.own_people import Brought, cfp_zip, drawn_zip
from helpers.shared_material import needs_cfp

from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import cache_file
from sfpn.network.embedders import load_embedder

NOTE_WHAT_IS_SAID = """() => {
  const status = document.querySelector('#own-status');
  window.said = [];
  new MutationObserver(() => window.said.push(status.innerText)).observe(status, {childList: true, subtree: true});
}"""
SECONDS = 120_000


@pytest.fixture(scope="module")
def address(browser, uploads, tmp_path_factory) -> Iterator[str]:
    """The app with the model whose embeddings are checked."""
    with served(tmp_path_factory.mktemp("own"), ["--model", "base"], uploads) as address:
        yield address


@pytest.fixture(scope="module", params=["drawn", pytest.param("cfp", marks=needs_cfp)])
def brought(request, tmp_path_factory) -> Brought:
    make = {"drawn": drawn_zip, "cfp": cfp_zip}[request.param]
    return make(tmp_path_factory.mktemp(request.param) / f"{request.param} people.zip")


def bring(page, file: Path, *, watched: bool = True) -> None:
    """Open a ZIP in Explore, and wait until it is embedded. watched: it has pictures enough to be seen as they come."""
    open_tab(page, "Explore")
    page.locator("#own-open").click()
    page.locator("#own-file input[type=file]").set_input_files(file)
    if watched:
        page.locator("#own-pictures img").first.wait_for(timeout=SECONDS)
    page.locator("#which-set", has_text="Your set").wait_for(timeout=SECONDS)
    page.locator("#own-status", has_text="Done").wait_for(timeout=SECONDS)


@pytest.mark.parametrize("size", SIZES)
def test_from_a_zip_to_a_mended_set_and_its_matrix(browser, address, brought, size, tmp_path):
    with visitor(browser, address, SIZES[size]) as visit:
        page = visit()
        for tab in ("Verify", "On your device", "Model"):
            open_tab(page, tab)
            assert not page.locator("#own-set").is_visible()
        bring(page, brought.file)
        page.locator("#own-about button").first.click()
        ledger = page.locator("#own-ledger")
        ledger.get_by_text("notes.txt").first.wait_for()
        assert "not a picture" in ledger.inner_text() and "left by a computer" in ledger.inner_text()
        check_and_fix(page, brought)
        see_the_matrix(page)
        open_alone(browser, save_report(page), SIZES[size])
        take_along(page, brought, tmp_path)
        leave(page)
        open_tab(page, "Pose errors")
        page.locator("#report-about", has_text="weights").wait_for()


def leave(page) -> None:
    """Close the set, and see the bundled one again."""
    page.locator("#own-leave").click()
    page.locator("#which-set", has_text="Synthetic people").wait_for(timeout=SECONDS)


def check_and_fix(page, brought: Brought) -> None:
    """Find the planted wrong label, accept its mending, and apply it."""
    page.locator("#check > button").click()
    page.locator("#check-start").click()
    page.locator("#findings .finding").first.wait_for(timeout=SECONDS)
    choice = page.locator("#findings .choice", has_text=f"Fix the label: {brought.wrong} is {brought.whose}")
    choice.click()
    page.locator("#findings .choice[aria-pressed=true]").wait_for()
    with page.expect_download() as saved:
        page.locator("#check-save").click()
    assert brought.wrong in Path(saved.value.path()).read_text()
    page.locator("#check-apply").click()
    page.locator("#check-status", has_text="1 decision applied").wait_for(timeout=SECONDS)
    show_sample(page, brought.wrong, brought.whose)
    page.locator("#neighbours .tile").first.wait_for(timeout=SECONDS)  # the embeddings are still there


def show_sample(page, row_id: str, words: str) -> None:
    """Type a row_id, as soon as the page says that the set is another: nothing may empty the field after that."""
    typed = page.locator("#sample-id input, #sample-id textarea")
    typed.fill(row_id)
    typed.press("Enter")
    page.locator("#sample", has_text=words).wait_for(timeout=SECONDS)
    assert typed.input_value() == row_id


def see_the_matrix(page) -> None:
    """Compute the report of the own set."""
    open_tab(page, "Pose errors")
    part = page.locator("#compute-report", has_text="people")
    part.locator("button").first.click()
    page.locator("#report-start").click()
    page.locator("#report-status", has_text="Nobody else sees it").wait_for(timeout=SECONDS)
    page.locator("#report-about", has_text="all-pairs").wait_for(timeout=SECONDS)
    page.locator("#matrix .main-svg").first.wait_for(timeout=SECONDS)


def save_report(page) -> Path:
    """The report as one file."""
    with page.expect_download() as saved:
        page.locator("#report-page").click()
    assert saved.value.suggested_filename.endswith(".html")
    return saved.value.path()


def open_alone(browser, file: Path, size: dict[str, int]) -> None:
    """The report opens in a browser without network, asks nobody and fits the page."""
    context = browser.new_context(viewport=size, offline=True)
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    alone = file.with_name(f"{file.stem}.html")
    alone.write_bytes(file.read_bytes())
    page.goto(alone.as_uri())
    assert asked == [alone.as_uri()] and said == []
    assert "people" in page.inner_text("body") and page.locator("svg").count() > 5
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    context.close()


def take_along(page, brought: Brought, folder: Path) -> None:
    """The ZIP opens as a dataset, mended, with its report."""
    with page.expect_download(timeout=SECONDS) as saved:
        page.locator("#own-take").click()
    with zipfile.ZipFile(saved.value.path()) as archive:
        archive.extractall(folder)
    (dataset,) = (FaceDataset.open(place) for place in folder.iterdir())
    rows = dataset.rows().set_index("row_id")
    assert len(rows) == brought.pictures and rows.at[brought.wrong, "identity"] == brought.whose
    assert cache_file(dataset, load_embedder("base")).is_file() and list((dataset.folder / "reports").iterdir())


def test_two_visitors_with_two_sets_at_once(browser, address, tmp_path):
    first, second = drawn_zip(tmp_path / "one.zip", 2), drawn_zip(tmp_path / "two.zip", 3)
    with visitor(browser, address, SIZES["desk"]) as visit, visitor(browser, address, SIZES["desk"]) as visit_too:
        pages = [visit(), visit_too()]
        for page, brought in zip(pages, (first, second), strict=True):
            open_tab(page, "Explore")
            page.locator("#own-open").click()
            page.locator("#own-file input[type=file]").set_input_files(brought.file)
        for page, name, people in zip(pages, ("one.zip", "two.zip"), (2, 3), strict=True):
            page.locator("#which-set", has_text=name).wait_for(timeout=SECONDS)
            page.locator("#own-status", has_text="Done").wait_for(timeout=SECONDS)
            assert f"{people} identities" in page.locator("#which-set").inner_text()
            assert f"of {people * 10} images" in page.locator("#summary").inner_text()
        source = pages[0].locator("#grid img").first.evaluate("image => image.src")
        status = "address => fetch(address).then(answer => answer.status)"
        assert [page.evaluate(status, source) for page in pages[:1]] == [200]
        assert pages[0].context.request.get(source).status == 200
        assert pages[1].context.request.get(source).status == 403
        third = visit_too(f"?sample={first.wrong}")
        third.locator("#sample", has_text="has no sample").wait_for()
        for page in pages:
            leave(page)


def test_sets_of_pages_that_are_gone_are_not_in_the_way(browser, address, tmp_path):
    """One address may have three sets at once; a page that is reloaded is another one to the app, as one anew is."""
    brought = drawn_zip(tmp_path / "few.zip", 2, 1)
    with visitor(browser, address, SIZES["desk"]) as visit:
        for _ in range(4):
            page = visit()
            bring(page, brought.file, watched=False)
            page.close()
        page = visit()
        bring(page, brought.file, watched=False)
        leave(page)


def test_a_cancelled_set_leaves_the_page_as_it_was(browser, address, tmp_path):
    brought = drawn_zip(tmp_path / "many.zip", 20)
    with visitor(browser, address, SIZES["desk"]) as visit:
        page = visit()
        open_tab(page, "Explore")
        page.locator("#own-open").click()
        page.locator("#own-file input[type=file]").set_input_files(brought.file)
        page.locator("#own-pictures img").first.wait_for(timeout=SECONDS)
        page.evaluate(NOTE_WHAT_IS_SAID)
        page.locator("#own-cancel").click()
        page.locator("#own-status", has_text="Cancelled").wait_for()
        page.wait_for_timeout(1500)
        said = page.evaluate("window.said")
        first = next(number for number, words in enumerate(said) if "Cancelled" in words)
        assert all("Cancelled" in words for words in said[first:])  # no progress comes after it
        assert page.locator("#own-file").is_visible() and not page.locator("#own-cancel").is_visible()
        assert "Synthetic people" in page.locator("#which-set").inner_text()


def test_a_folder_is_packed_in_the_browser(browser, address, tmp_path):
    brought = drawn_zip(tmp_path / "some.zip", 2)
    with zipfile.ZipFile(brought.file) as archive:
        archive.extractall(tmp_path / "folder")
    with visitor(browser, address, SIZES["desk"]) as visit:
        page = visit()
        open_tab(page, "Explore")
        page.locator("#own-open").click()
        page.locator("#own-folder-input").set_input_files(tmp_path / "folder" / "my people")
        page.locator("#which-set", has_text="my people.zip").wait_for(timeout=SECONDS)
        assert "20 images of 2 identities" in page.locator("#which-set").inner_text()
        leave(page)
