"""The live view: a drawn head before a made-up camera is enrolled pose by pose, scored, saved and opened."""

from __future__ import annotations

import json

import pytest
from helpers.browsing import FLAGS, chromium
from helpers.camera import camera_flags
from helpers.on_device import private_cache, static_page


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    """The exported page in a browser with such a camera."""
    folder = tmp_path_factory.mktemp("live")
    cache = private_cache(folder)
    flags = [*FLAGS, *camera_flags(folder / "camera.mjpeg")]
    own = browser.browser_type.launch(executable_path=chromium(), args=flags)
    with static_page(folder / "page", cache) as address:
        context = own.new_context(permissions=["camera"], bypass_csp=True)  # wait_for_function needs eval
        page = context.new_page()
        page.set_default_timeout(180_000)
        page.failures = []
        page.on("pageerror", lambda error: page.failures.append(str(error)))
        page.goto(address)
        page.wait_for_selector(".od-ready")
        page.locator(".od-live summary").click()
        yield page
    own.close()


def test_head_is_enrolled_by_itself_scored_saved_and_opened(page, tmp_path):
    posts = []
    page.on("request", lambda request: posts.append(request.url))
    page.locator("#od-enrol").click()
    page.wait_for_function("document.querySelectorAll('.od-bins .full').length === 5")
    assert page.locator(".od-said").inner_text() == "All poses are there."
    page.wait_for_function("document.querySelector('.od-live-verdict').className.includes(' match')")
    assert page.locator(".od-needle").get_attribute("aria-label").startswith("yaw ")
    page.wait_for_function("document.querySelector('.od-strip .od-line')?.getAttribute('d').split('L').length > 3")
    assert "frontal photo" in page.locator(".od-live").inner_text()
    assert page.locator("#bytes-sent").inner_text() == "0" and posts == []

    with page.expect_download() as download:
        page.locator("#od-save").click()
    saved = tmp_path / "template.json"
    download.value.save_as(saved)
    held = json.loads(saved.read_text())
    assert {sample["bin"] for sample in held["samples"]} == {"frontal", "left", "right", "up", "down"}
    signs = {sample["bin"]: sample["yaw"] for sample in held["samples"]}
    assert signs["left"] > 25 and signs["right"] < -25
    page.locator("#od-start").click()  # the camera stops
    assert page.evaluate("document.querySelector('.od-live video').srcObject.getTracks()[0].readyState") == "ended"

    page.locator("#od-open").set_input_files(saved)
    page.wait_for_function("document.querySelector('.od-said').innerText.includes('was opened')")
    for damage in ({"model": "another"}, {"samples": [{"bin": "<b>"}]}, {"format": "none"}):
        (tmp_path / "bad.json").write_text(json.dumps(held | damage))
        page.evaluate("document.querySelector('.od-said').textContent = ''")
        page.locator("#od-open").set_input_files(tmp_path / "bad.json")
        page.wait_for_function("/template/.test(document.querySelector('.od-said').innerText)")
        assert "was opened" not in page.locator(".od-said").inner_text()
    assert page.failures == []
