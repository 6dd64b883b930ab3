"""The book of this checkout, executed and rendered once for all tests that read it."""

import functools
import http.server
import os
import shutil
import threading

import pytest
from building import ALONE, CHAPTERS, execute

from nodebook import paths
from nodebook.press import book

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def site():
    """The published book, built with warnings as errors.

    Where tests run side by side, one process builds it, and the others wait and find it built.
    """
    with ALONE:
        where = execute(CHAPTERS)
        book.build(CHAPTERS, where)
    return where


@pytest.fixture(scope="session")
def pages(site):
    """Every page of the book, as paths relative to its top."""
    found = [p.relative_to(site.html).as_posix() for p in site.html.rglob("*.html")]
    return sorted(name for name in found if not name.startswith("_static/"))


@pytest.fixture(scope="session")
def address(site):
    """The book served on this machine."""
    handler = functools.partial(QuietHandler, directory=str(site.html))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """A file server that prints no line a request."""

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium; skipped without one, unless NODELIB_REQUIRE_BROWSER is set.

    One a file, not one for all: between two files this process may run tests of how the processes
    below it are ended, and a browser is one of those.
    """
    from playwright.sync_api import sync_playwright

    named = os.environ.get("NODELIB_CHROMIUM")
    path = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not path:
        message = "no Chromium or Chrome found (Debian: apt install chromium)"
        if os.environ.get("NODELIB_REQUIRE_BROWSER"):
            pytest.fail(f"{message}, and NODELIB_REQUIRE_BROWSER is set")
        pytest.skip(message)
    quiet = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=quiet)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, address):
    """Open a page of the book with every other address blocked, and keep what went wrong."""
    contexts = []

    def open_page(name, **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)  # a page of 700 formulas on a busy machine
        page.problems = []
        outside = lambda url: not url.startswith((address, "data:", "blob:"))  # noqa: E731
        context.route(outside, lambda route: route.abort())
        page.on("console", lambda m: m.type == "error" and page.problems.append(m.text))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("requestfailed", lambda r: page.problems.append(f"failed: {r.url}"))
        page.on(
            "response", lambda r: r.status >= 400 and page.problems.append(f"{r.status} {r.url}")
        )
        page.goto(address + name, wait_until="networkidle")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def source_of():
    """The text of a file of this checkout."""
    return lambda name: (paths.root() / name).read_text(encoding="utf-8")
