"""The option --runtime-from-cdn, with a stand-in for the CDN: published files start the tab, changed ones do not."""

from __future__ import annotations

import gzip

import pytest
from helpers.browsing import served
from helpers.on_device import require_runtime
from helpers.small_models import save_random_model

from demo.on_device.runtime import CDN, CDN_FOLDER, FILES, runtime_folder

TYPES = {".mjs": "text/javascript", "wasm": "application/wasm"}


@pytest.fixture(scope="module")
def address(browser, uploads, tmp_path_factory):
    """The app with the option, and a cache without the runtime."""
    require_runtime()
    folder = tmp_path_factory.mktemp("cdn")
    save_random_model(folder / "random.safetensors")
    options = ["--model", str(folder / "random.safetensors"), "--runtime-from-cdn"]
    with served(folder, options, uploads, XDG_CACHE_HOME=str(folder / "cache")) as address:
        yield address


def published() -> dict[str, bytes]:
    """Address at the CDN -> content."""
    folder = runtime_folder(require_runtime())
    kept = {file: (folder / file.kept_as).read_bytes() for file in FILES.values()}
    return {f"{CDN_FOLDER}/{file.name}": gzip.decompress(held) if file.packed else held for file, held in kept.items()}


def visit(browser, address: str, contents: dict[str, bytes], ready: str):
    """A page with the open tab, and the addresses that were asked for elsewhere."""
    context = browser.new_context()
    page, elsewhere = context.new_page(), []
    page.set_default_timeout(600_000)

    def answer(route):
        elsewhere.append(route.request.url)
        content = contents.get(route.request.url)
        if content is None:
            return route.abort()
        kind = TYPES[route.request.url[-4:]]
        return route.fulfill(body=content, content_type=kind, headers={"access-control-allow-origin": "*"})

    context.route(lambda url: not url.startswith((address, "data:", "blob:")), answer)
    page.goto(address)
    page.wait_for_selector("#tabs [role=tab]")
    page.get_by_role("tab", name="On your device", exact=True).click()
    page.wait_for_selector(ready)
    return context, page, elsewhere


def test_published_files_start_the_tab_and_nobody_else_is_asked(browser, address):
    contents = published()
    context, page, elsewhere = visit(browser, address, contents, ".od-ready")
    assert sorted(elsewhere) == sorted(contents)
    assert all(url.startswith(f"{CDN}/npm/onnxruntime-web@") for url in elsewhere)
    page.locator(".on-device .examples button").first.click()
    page.wait_for_selector(".on-device .verdict:not(.waiting)")
    assert sorted(elsewhere) == sorted(contents)
    context.close()


@pytest.mark.parametrize("name", [FILES["module"].name, FILES["wasm"].name])
def test_a_file_that_was_changed_is_refused_in_a_sentence(browser, address, name):
    contents = published()
    url = f"{CDN_FOLDER}/{name}"
    contents[url] = contents[url].replace(b"a", b"b", 1)
    context, page, _ = visit(browser, address, contents, ".on-device .notice")
    words = page.locator(".on-device .notice").inner_text()
    assert words.startswith(
        f"The networks cannot be loaded: {name} does not come from cdn.jsdelivr.net, or is not the file"
    )
    context.close()


def test_a_cdn_that_does_not_answer_is_a_sentence(browser, address):
    context, page, _ = visit(browser, address, {}, ".on-device .notice")
    assert "does not come from cdn.jsdelivr.net" in page.locator(".on-device .notice").inner_text()
    context.close()
