"""The report file, opened alone in a browser without network; saved from the page, and people that are clicked."""

from __future__ import annotations

import pytest
from helpers.clicks import drawn, open_tab
from helpers.explorer_data import make_report

from sfpn.reporting.page import html


@pytest.mark.parametrize("width", [1100, 390])
def test_it_opens_alone_without_asking_anybody(browser, tmp_path, width):
    file = tmp_path / "report.html"
    (tmp_path / "data").mkdir()
    reports = make_report(tmp_path / "data" / "a"), make_report(tmp_path / "data" / "b", blur=0.8)
    file.write_text(html(reports, "again"))
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(file.as_uri())
    assert asked == [file.as_uri()] and said == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("svg").count() > 20 and "Who fails" in page.inner_text("body")
    boxes = [figure.bounding_box() for figure in page.locator(".figure").all()]
    assert all(box and box["width"] > 50 and box["height"] > 50 for box in boxes)
    context.close()


def test_a_report_is_saved_and_a_person_opens_their_pairs(visit, tmp_path):
    page = visit()
    open_tab(page, "Pose errors")
    drawn(page, "#matrix")
    page.wait_for_selector("#people-genuine button")
    person = page.inner_text("#people-genuine button >> nth=0")
    page.locator("#people-genuine button").first.click()
    page.wait_for_selector("#person-pairs button")
    assert person in page.inner_text("#person-title") and "share its pose" in page.inner_text("#leak-reading")
    with page.expect_download() as saved:
        page.click("#report-page")
    assert saved.value.suggested_filename.endswith(".html")
    content = saved.value.path().read_text()
    assert content.startswith("<!DOCTYPE html>") and person in content
