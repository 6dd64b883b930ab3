"""The book in a real browser, with every address but its own blocked."""

import re
from urllib.parse import unquote, urljoin, urlsplit

import pytest

pytestmark = pytest.mark.browser

TYPESET = "() => document.querySelectorAll('.math').length"
UNTYPESET = """() => [...document.querySelectorAll('.math')]
    .filter(m => !m.querySelector('mjx-container')).map(m => m.textContent.slice(0, 60))"""
BROKEN_MATH = """() => [...document.querySelectorAll('mjx-merror, mjx-container [data-mjx-error]')]
    .map(m => m.getAttribute('data-mjx-error') || m.textContent)"""
IMAGES = """() => [...document.querySelectorAll('main img')].map(i => ({
    src: i.getAttribute('src'), alt: i.getAttribute('alt'), width: i.naturalWidth}))"""
SCORECARD = "book/scorecard.html"
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def settle(page):
    """Wait until MathJax, where the page has any, has typeset everything."""
    if page.evaluate("() => !!window.MathJax"):
        page.wait_for_function("() => window.MathJax.startup && window.MathJax.startup.promise")
        page.evaluate("() => window.MathJax.startup.promise")


def test_every_page_opens_without_error_with_its_math_and_images(visit, pages):
    formulas = 0
    for name in pages:
        page = visit(name)
        settle(page)
        assert page.problems == [], (name, page.problems)
        assert page.evaluate(UNTYPESET) == [], name
        assert page.evaluate(BROKEN_MATH) == [], name
        formulas += page.evaluate(TYPESET)
        for image in page.evaluate(IMAGES):
            assert image["alt"], (name, image)
            assert image["width"] > 0, (name, image)
        page.context.close()
    assert formulas > 50


def test_the_search_box_finds_the_adjoint(visit):
    page = visit("book/intro.html")
    page.keyboard.press("Control+k")
    box = page.locator("input[name=q]:visible")
    box.fill("adjoint")
    box.press("Enter")
    page.wait_for_selector("#search-results li a")
    links = page.locator("#search-results li a").evaluate_all("all => all.map(a => a.href)")
    assert any("02_adjoint" in link for link in links), links
    assert page.problems == []


def test_no_link_inside_the_book_is_dead(site, pages):
    html = {name: (site.html / name).read_text(encoding="utf-8") for name in pages}
    targets = {
        name: set(re.findall(r'\b(?:id|name)="([^"]+)"', text)) for name, text in html.items()
    }
    dead = []
    for name, text in html.items():
        for link in re.findall(r'<a\b[^>]*?\bhref="([^"]+)"', text):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            path = unquote(urljoin(name, parts.path)) if parts.path else name
            if path == SCORECARD and "=" in parts.fragment:
                parts = parts._replace(fragment="")  # a filter, not a place
            if not (site.html / path).is_file() or (
                parts.fragment and unquote(parts.fragment) not in targets.get(path, ())
            ):
                dead.append((name, link))
    assert dead == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone(visit, pages, scheme):
    for name in pages:
        page = visit(name, viewport={"width": 390, "height": 844}, color_scheme=scheme)
        settle(page)
        assert page.evaluate(OVERFLOW) <= 0, name
        page.context.close()


def test_figures_keep_a_white_face_in_the_dark(visit, pages):
    chapters = [name for name in pages if name.startswith("notebooks/")]
    for name in chapters:
        page = visit(name, color_scheme="dark")
        assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"
        faces = page.locator(".cell_output img").evaluate_all(
            "all => all.map(i => getComputedStyle(i).backgroundColor)"
        )
        assert faces
        assert set(faces) == {"rgb(255, 255, 255)"}, name
        page.context.close()
