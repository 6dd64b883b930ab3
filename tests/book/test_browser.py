"""The book in a real browser, with every address but its own blocked."""

import json
import re
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from nodebook import paths

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


def test_a_figure_is_enlarged_by_keyboard_and_given_back(visit, pages):
    page = visit(first_chapter(pages), viewport={"width": 390, "height": 844})
    button = page.locator("figure .enlarge").first
    image = page.locator("figure img.enlargeable").first
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog.viewer[open]")
    large = dialog.locator("img")
    assert large.get_attribute("alt") == image.get_attribute("alt")
    assert large.bounding_box()["width"] > 1.5 * image.bounding_box()["width"]
    assert dialog.get_attribute("aria-label").startswith("Fig.")
    page.keyboard.press("Escape")
    assert dialog.count() == 0
    assert button.evaluate("b => b === document.activeElement")
    assert page.problems == []


def test_every_figure_can_be_enlarged(visit, pages):
    page = visit(first_chapter(pages))
    page.wait_for_selector("main figure .enlarge", state="attached")
    figures = page.locator("main figure img").count()
    assert figures == page.locator("main figure .enlarge").count() > 0
    page.locator("main figure img").first.click()
    assert page.locator("dialog.viewer[open]").count() == 1


WIDE = """() => [...document.querySelectorAll('main .cell_output, main .table-wrapper,'
    + ' main .pst-scrollable-table-container, main div.math mjx-container')]
    .filter(b => b.scrollWidth > b.clientWidth + 3)
    .map(b => [b.className, b.classList.contains('scrolls'), b.tabIndex])"""
HINTS = "() => document.querySelectorAll('.scroll-hint').length"
STICKS = """() => { const box = [...document.querySelectorAll('main .scrolls')]
    .find(b => b.querySelector('table'));
    const cell = box.querySelector('tbody tr > :first-child');
    const x = () => cell.getBoundingClientRect().left - box.getBoundingClientRect().left;
    const still = x(); box.scrollLeft = 60; return [still, x(), box.scrollLeft]; }"""


def test_what_scrolls_sideways_says_so_and_can_be_reached(visit, pages):
    chapters = [name for name in pages if re.match(r"(notebooks/|book/notation)", name)]
    marked = 0
    for name in chapters:
        page = visit(name, viewport={"width": 390, "height": 844})
        settle(page)
        page.wait_for_timeout(500)  # the script waits until the page has come to rest
        wide = page.evaluate(WIDE)
        assert [box for box in wide if not box[1] or box[2] != 0] == [], name
        assert page.evaluate(HINTS) >= len(wide), name
        marked += len(wide)
        page.context.close()
    assert marked > 0


def test_the_first_column_of_a_wide_table_stays_in_view(visit):
    page = visit("book/notation.html", viewport={"width": 390, "height": 844})
    settle(page)
    page.wait_for_selector(".scrolls table")
    before, after, moved = page.evaluate(STICKS)
    assert moved == 60
    assert abs(after - before) < 2


def test_a_chapter_can_be_downloaded_with_outputs_without_and_as_source(site, pages, visit):
    name = first_chapter(pages)
    page = visit(name)
    links = page.locator(".dropdown-download-buttons a").evaluate_all(
        "all => all.map(a => [a.textContent.trim(), a.href, a.hasAttribute('download')])"
    )
    assert all(saved for _, _, saved in links)
    executed, plain, source = (page.request.get(address).body() for _, address, _ in links)
    outputs = [cell.get("outputs", []) for cell in json.loads(executed)["cells"]]
    assert sum(map(len, outputs)) > 3
    assert not any(cell.get("outputs") for cell in json.loads(plain)["cells"])
    stem = name.removesuffix(".html")
    assert source == (paths.root() / f"{stem}.py").read_bytes()
    assert len(json.loads(plain)["cells"]) <= len(outputs)


def first_chapter(pages):
    """The first chapter's page."""
    return next(name for name in pages if name.startswith("notebooks/"))
