"""The Verify tab in a real browser, as a visitor uses it."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.clicks import data_uri_png
from helpers.drawn_people import drawn_image, save_drawn
from PIL import Image


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """A folder with front.jpg, side.png, two.jpg (two people) and bad.jpg."""
    folder = tmp_path_factory.mktemp("photos")
    save_drawn(folder / "front.jpg", "frontal")
    save_drawn(folder / "side.png", "profile")
    (folder / "bad.jpg").write_text("no picture")
    both = Image.new("RGB", (640, 320), "gray")
    for number in range(2):
        both.paste(drawn_image("frontal", number).resize((300, 300)), (10 + 320 * number, 10))
    both.save(folder / "two.jpg", quality=95)
    return folder


JSON_SAYS = """([name, value]) => document.querySelector('#result-json')?.innerText.replace(/\\s/g, '')
  .includes(`"${name}":${value},`)"""


def give(page, side: str, path: Path) -> None:
    """Upload to a side and wait until its face is shown."""
    page.set_input_files(f"#input-{side} input[type=file]", path)
    page.wait_for_selector(f"#photos-{side} svg .face")


def verdict(page) -> str:
    """The text of the decision, once there is one."""
    page.wait_for_selector("#verdict h2")
    return page.inner_text("#verdict")


def test_two_photos_give_a_verdict_and_nothing_leaves_the_machine(page, photos, uploads):
    give(page, "a", photos / "front.jpg")
    give(page, "b", photos / "side.png")
    assert "frontal and profile" in verdict(page) and "1 of 1,000 pairs" in page.inner_text("#verdict")
    page.wait_for_selector("#score-axis .js-plotly-plot .scatterlayer path", state="attached")
    assert page.locator("#crops img").count() == 2
    outside = [url for url in page.requested if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))]
    assert outside == [] and page.failures == []
    assert [file.name for file in uploads.rglob("*") if file.is_file() and file.stat().st_size] == []


ODD_NAMES = (("p.jfif", ""), ("p.jpg_large", ""), ("p", ""), ("p.avif", "application/octet-stream"))


@pytest.mark.parametrize(("name", "kind"), ODD_NAMES)
def test_a_photo_of_any_name_is_taken_by_the_field_and_the_button(page, photos, name, kind):
    file = {"name": name, "mimeType": kind, "buffer": (photos / "front.jpg").read_bytes()}
    page.set_input_files("#input-a input[type=file]", file)
    page.wait_for_selector("#photos-a svg .face")
    with page.expect_file_chooser() as chooser:
        page.click("#more-a")
    chooser.value.set_files(file)
    page.wait_for_function("document.querySelectorAll('#photos-a svg').length === 2")
    assert page.locator(".toast-body").count() == 0


def test_a_file_that_is_no_picture_gets_the_same_sentence_by_the_field_and_the_button(page, photos):
    file = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    page.set_input_files("#input-a input[type=file]", file)
    page.wait_for_selector("#notice-a .notice")
    first = page.inner_text("#notice-a .notice")
    give(page, "a", photos / "front.jpg")
    with page.expect_file_chooser() as chooser:
        page.click("#more-a")
    chooser.value.set_files(file)
    page.wait_for_selector("#notice-a .notice")
    assert page.inner_text("#notice-a .notice") == first and first.startswith("notes.txt: is not a picture")
    assert page.locator(".toast-body").count() == 0


def test_refused_photo_is_named_and_the_next_one_works(page, photos):
    page.set_input_files("#input-a input[type=file]", photos / "bad.jpg")
    page.wait_for_selector("#notice-a .notice")
    assert page.inner_text("#notice-a .notice").startswith("bad.jpg: is not a picture")
    give(page, "a", photos / "front.jpg")
    page.wait_for_selector("#notice-a .notice", state="detached")


def test_another_face_is_chosen_by_keyboard(page, photos):
    give(page, "a", photos / "two.jpg")
    assert page.locator("#photos-a .face").count() == 2
    other = page.locator("#photos-a .face:not(.chosen)")
    index = other.get_attribute("data-select")
    other.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#photos-a .face.chosen[data-select='{index}']")


def test_several_photos_make_a_template_and_can_be_removed(page, photos):
    give(page, "a", photos / "front.jpg")
    give(page, "b", photos / "side.png")
    with page.expect_file_chooser() as chooser:
        page.click("#more-a")
    chooser.value.set_files([photos / "front.jpg"])
    page.wait_for_selector("#crops .faces.many")
    assert "template of 2 photos" in page.inner_text("#crops")
    page.click("#photos-a .remove >> nth=0")
    page.wait_for_selector("#crops .faces.many", state="detached")


def test_threshold_slider_changes_the_rates(page, photos):
    give(page, "a", photos / "front.jpg")
    give(page, "b", photos / "front.jpg")
    assert "Match" in verdict(page)
    page.get_by_role("button", name="Model, speed and the result as JSON").click()
    page.wait_for_function(JSON_SAYS, arg=["threshold", "0.5"])  # pooled, at FMR 0.1 %
    page.fill("#threshold input[type=number]", "0.75")
    page.keyboard.press("Tab")
    page.wait_for_selector("#verdict >> text=2 of 190 pairs")  # half of the bin 0.7 to 0.8
    assert page.locator("#fmr input:checked").count() == 0
    page.wait_for_function(JSON_SAYS, arg=["threshold", "0.75"])
    page.wait_for_function(JSON_SAYS, arg=["target_fmr", "null"])
    page.get_by_label("1 in 100", exact=True).check()
    page.wait_for_function(JSON_SAYS, arg=["threshold", "0.4"])
    page.wait_for_function(JSON_SAYS, arg=["target_fmr", "0.01"])


def test_example_and_pair_address(page, address):
    page.click("#examples button >> nth=0")
    first = verdict(page)
    name = page.locator("#photos-a svg").get_attribute("aria-label")
    other = page.locator("#photos-b svg").get_attribute("aria-label")
    page.goto(f"{address}?pair={name},{other}")
    assert verdict(page) == first


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_phone_width_has_no_sideways_scrolling(browser, address, photos, theme):
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme=theme)
    page = context.new_page()
    page.set_default_timeout(90_000)
    page.goto(f"{address}?__theme={theme}")
    page.wait_for_selector("#input-a input[type=file]", state="attached")
    give(page, "a", photos / "front.jpg")
    give(page, "b", photos / "side.png")
    verdict(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_pasted_photo_is_taken(page, photos):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(
        """async address => {
            const picture = await (await fetch(address)).blob();
            await navigator.clipboard.write([new ClipboardItem({'image/png': picture})]);
        }""",
        data_uri_png(photos / "side.png"),
    )
    page.click("#input-a .source-selection button >> nth=2")
    page.wait_for_selector("#photos-a svg[aria-label='clipboard.png'] .face")


def test_the_face_of_person_a_is_turned_until_it_is_lost(page, photos):
    give(page, "a", photos / "front.jpg")
    page.get_by_role("button", name="At what angle do you lose me?").click()
    page.click("#lost-start")
    page.wait_for_selector("#lost-faces img")
    assert page.locator("#lost-faces img").count() == 11 and "not photograph" in page.inner_text("#lost")
    page.wait_for_selector("#lost-chart .js-plotly-plot .scatterlayer path", state="attached")
    assert "lose" in page.inner_text("#lost-status")
    page.click("#clear-a")
    page.wait_for_selector("#lost-faces img", state="detached")
    page.click("#lost-start")
    page.wait_for_selector("#lost-status >> text=Give a photo of person A first")
    give(page, "a", photos / "side.png")
    page.click("#lost-start")
    page.wait_for_selector("#lost-status >> text=looks aside by")
    assert page.failures == []


def test_what_a_score_rests_on_is_drawn_over_both_crops(page, photos):
    page.get_by_role("button", name="Why this score?").click()
    page.click("#why-start")
    page.wait_for_selector("#why-status >> text=Give a photo of either person first")
    give(page, "a", photos / "front.jpg")
    give(page, "b", photos / "side.png")
    page.wait_for_selector("#crops img")
    page.click("#why-start")
    page.wait_for_selector("#why-faces img")
    assert page.locator("#why-faces img").count() == 2 and "lowers it at most" in page.inner_text("#why-status")
    page.click("#clear-b")
    page.wait_for_selector("#why-faces img", state="detached")
    assert page.failures == []
