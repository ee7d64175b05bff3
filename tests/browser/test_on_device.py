"""The tab On your device: the same faces, scores and words as Python's, in the browser, with nothing sent."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from helpers.browsing import served
from helpers.drawn_people import drawn
from helpers.on_device import (
    LOAD,
    awkward_photos,
    cfp_photos,
    differences,
    drawn_photos,
    private_cache,
    static_page,
    table,
)
from helpers.own_models import CARD, encoded, with_card
from helpers.shared_material import needs_cfp
from helpers.small_models import save_random_model
from PIL import Image, ImageOps

BUTTON = ".on-device .examples button"
ANSWER = ".on-device .verdict:not(.waiting)"
PIXELS = """async encoded => {
  const { decode } = await import('./decode.js');
  const file = new Blob([Uint8Array.from(atob(encoded), c => c.charCodeAt(0))]);
  const { width, height, data } = await decode(file, 'a photo');
  let letters = '';
  for (let at = 0; at < data.length; at += 8192) letters += String.fromCharCode(...data.subarray(at, at + 8192));
  return [width, height, btoa(letters)];
}"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache folder with the runtime; skips where it was not fetched."""
    return private_cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def page_address(browser, cache, tmp_path_factory):
    """The exported page."""
    with static_page(tmp_path_factory.mktemp("page") / "page", cache) as address:
        yield address


@pytest.fixture(scope="module")
def chain(browser, page_address):
    """The page's own worker, loaded."""
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.goto(page_address)
    page.evaluate(LOAD)
    yield page
    page.close()


@pytest.fixture(scope="module")
def app_address(browser, cache, uploads, tmp_path_factory):
    """The app with a random network, which it exports itself."""
    folder = tmp_path_factory.mktemp("app")
    save_random_model(folder / "random.safetensors")
    options = ["--model", "depthwise", str(folder / "random.safetensors")]
    with served(folder, options, uploads, XDG_CACHE_HOME=str(cache.parent)) as address:
        yield address


def open_tab(page, address: str, ready: str = ".od-ready") -> None:
    """Go to the app and open the tab."""
    page.set_default_timeout(300_000)  # the app exports the networks first
    page.goto(address)
    page.wait_for_selector("#tabs [role=tab]")
    page.get_by_role("tab", name="On your device", exact=True).click()
    page.wait_for_selector(ready)


def check(found, title: str) -> None:
    """The bars of the project, of every photo."""
    print(f"\n{table({title: found})}")
    assert max(each.box for each in found) < 2
    assert max(each.score for each in found) <= 0.01
    assert min(each.cosine for each in found) >= 0.999
    assert all(each.same_decision for each in found)
    assert [each.name for each in found if not each.same_words] == []


def test_drawn_faces_are_seen_as_in_python(chain):
    check(differences(chain, drawn_photos(40)), "drawn faces")


def test_awkward_photos_are_seen_as_in_python(chain):
    found = differences(chain, awkward_photos())
    assert len(found) >= 5
    check(found, "awkward photos")


def test_a_large_photo_that_lies_on_its_side_is_read_as_by_pillow(browser, page_address):
    shade = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
    stored, turned, buffer = Image.fromarray(shade).resize((1300, 1000)), Image.Exif(), io.BytesIO()
    turned[0x112] = 6  # to be turned by 90 degrees clockwise
    stored.save(buffer, "JPEG", quality=95, subsampling=0, exif=turned)
    page = browser.new_page()
    page.goto(page_address)
    width, height, pixels = page.evaluate(PIXELS, base64.b64encode(buffer.getvalue()).decode())
    upright = np.asarray(ImageOps.exif_transpose(Image.open(buffer)))
    assert (width, height) == (1000, 1300)
    assert np.array_equal(np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(height, width, 4)[..., :3], upright)
    page.close()


@needs_cfp
def test_photographed_faces_are_seen_as_in_python(chain):
    check(differences(chain, cfp_photos(100)), "photos of CFP")


def test_example_pair_without_network_and_nothing_sent(browser, app_address):
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page, posts, outside = context.new_page(), [], []
    page.on("request", lambda r: posts.append(r) if r.method != "GET" else None)
    page.on("request", lambda r: None if r.url.startswith((app_address, "data:", "blob:")) else outside.append(r.url))
    open_tab(page, app_address)
    context.set_offline(True)
    posts.clear()
    page.locator(BUTTON).nth(0).click()
    page.wait_for_selector(ANSWER)
    assert page.locator(".on-device .verdict h2").inner_text() == "✓ Match"
    assert page.locator("#bytes-sent").inner_text() == "0"
    assert page.locator(".on-device .crops canvas").count() == 2
    assert "no request since the first file" in page.locator(".od-sent").inner_text()
    assert posts == [] and outside == []
    context.close()


def test_own_photos_by_file_and_paste_and_a_model_that_the_app_exports(browser, app_address, tmp_path):
    page = browser.new_page()
    posts = []
    page.on("request", lambda r: posts.append(r) if r.method != "GET" else None)
    open_tab(page, app_address)
    posts.clear()
    (tmp_path / "one.webp").write_bytes(drawn("frontal", 0))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 nothing")
    first = page.locator(".od-side").first
    first.locator("input[type=file]").set_input_files([tmp_path / "one.webp", tmp_path / "broken.jpg"])
    first.locator(".notice").wait_for()
    assert "broken.jpg: is not a picture" in first.locator(".notice").inner_text()
    assert first.locator("figure").count() == 1
    page.evaluate(
        """encoded => {
          const data = new DataTransfer();
          const bytes = Uint8Array.from(atob(encoded), c => c.charCodeAt(0));
          data.items.add(new File([bytes], 'pasted.webp', {type: 'image/webp'}));
          document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true}));
        }""",
        base64.b64encode(drawn("frontal", 1)).decode(),
    )
    page.wait_for_selector(ANSWER)
    assert "pasted.webp" in page.locator(".od-side").nth(1).inner_html()
    before = page.locator(".on-device .verdict").inner_text()
    page.locator(".od-controls select").select_option(index=1)
    page.wait_for_function("old => document.querySelector('.on-device .verdict')?.innerText !== old", arg=before)
    assert all(len(request.post_data_buffer or b"") < 2000 for request in posts)
    assert page.locator("#bytes-sent").inner_text() == "0"
    page.close()


def test_own_model_is_measured_in_the_app_and_not_sent(browser, app_address, tmp_path):
    pytest.importorskip("onnx", reason="needs onnx (requirements-dev.txt)")
    page, sent = browser.new_page(), []
    open_tab(page, app_address)
    page.on(
        "request", lambda r: sent.append(r.url) if r.method != "GET" and len(r.post_data_buffer or b"") > 2000 else 0
    )
    page.locator(".od-own summary").click()
    page.locator("#od-own-model").set_input_files(with_card(tmp_path, "means", encoded(card=CARD), None))
    page.locator("#od-own-start").click()
    page.wait_for_selector(".od-own-result .od-matrix", timeout=600_000)
    names = [table.get_attribute("data-model") for table in page.locator(".od-matrix").all()]
    assert names == ["means", "base", "depthwise"]
    assert page.locator("#bytes-sent").inner_text() == "0" and sent == []
    page.close()


def test_of_two_pairs_that_are_asked_for_at_once_the_second_is_shown(browser, page_address):
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.goto(page_address)
    for number in (0, 5):  # the first of them before the networks are there
        page.locator(BUTTON).nth(number).click()
    page.wait_for_selector(ANSWER)
    assert page.locator(".on-device .verdict h2").inner_text() == "✗ No match"
    assert [side.locator("figure").count() for side in page.locator(".od-side").all()] == [1, 1]
    assert page.locator(".od-side .notice").count() == 0
    page.close()


def test_another_face_is_chosen_with_the_keyboard_and_keeps_the_focus(browser, page_address, tmp_path):
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.goto(page_address)
    [(_, one), (_, other)] = drawn_photos(2)
    both = Image.new("RGB", (1000, 500), (120, 130, 140))
    both.paste(Image.open(io.BytesIO(one)).resize((450, 450)), (0, 0))
    both.paste(Image.open(io.BytesIO(other)).resize((400, 400)), (550, 50))
    both.save(tmp_path / "both.png")
    page.locator(".od-side input[type=file]").first.set_input_files(tmp_path / "both.png")
    faces = page.locator(".od-side .face")
    faces.nth(1).wait_for()
    other = page.locator(".od-side .face:not(.chosen)")
    label = other.get_attribute("aria-label").removesuffix(", in use")
    other.focus()
    page.keyboard.press("Enter")
    page.locator(f".od-side .face.chosen[aria-label^='{label}']").wait_for()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == f"{label}, in use"
    page.locator(".od-side .remove").first.click()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Photos of person A"
    page.close()


def test_memory_that_is_given_back_is_gone_at_once(browser, page_address):
    page = browser.new_page()
    page.goto(page_address)
    length = """async () => {
      const { giveBack } = await import('./memory.js'), array = new Uint8Array(1000);
      giveBack(array);
      giveBack(array);
      return array.buffer.byteLength;
    }"""
    assert page.evaluate(length) == 0
    page.close()


def test_what_is_sent_is_counted(browser, page_address):
    page = browser.new_page(bypass_csp=True)  # wait_for_function needs eval
    page.set_default_timeout(120_000)
    page.goto(page_address)
    page.wait_for_selector(".od-ready")
    page.evaluate("fetch('start.js', {method: 'POST', body: new Blob([new Uint8Array(12345)])}).catch(() => 0)")
    page.wait_for_function("document.querySelector('#bytes-sent').innerText === '12,345'")
    page.close()


def test_a_browser_without_simd_is_told_so(browser, page_address):
    page = browser.new_page()
    page.add_init_script("WebAssembly.validate = () => false")
    page.goto(page_address)
    page.wait_for_selector(".notice")
    assert "no WebAssembly with SIMD" in page.locator(".notice").inner_text()
    page.close()


def test_without_the_runtime_the_tab_names_the_command(browser, uploads, tmp_path):
    save_random_model(tmp_path / "random.safetensors")
    options = ["--model", str(tmp_path / "random.safetensors")]
    with served(tmp_path, options, uploads, XDG_CACHE_HOME=str(tmp_path / "empty")) as address:
        page = browser.new_page()
        open_tab(page, address, ".on-device .notice")
        assert "python -m demo.on_device fetch" in page.locator(".on-device .notice").inner_text()
        page.close()
