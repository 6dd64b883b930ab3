"""The scorecard in a browser: its filters, its address, a phone, and no JavaScript."""

import pytest

pytestmark = pytest.mark.browser

PAGE = "book/scorecard.html"
SHOWN = "() => [...document.querySelectorAll('table.scorecard tbody tr:not([hidden])')]"
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def settled(page):
    """The page once its script has run, which is where the filters appear."""
    page.wait_for_selector(".scorecard-filters:not([hidden])")
    return page


def shown(page):
    return page.evaluate(f"() => ({SHOWN})().map(row => row.id)")


def data(page, name):
    return page.evaluate(f"() => ({SHOWN})().map(row => row.dataset.{name})")


@pytest.mark.parametrize("asked", ["chapter=03", "scorecard-03"])
def test_a_chapter_in_the_address_shows_its_claims(visit, asked):
    page = settled(visit(f"{PAGE}#{asked}"))
    found = data(page, "chapter")
    assert 5 < len(found) < 40
    assert all("03" in chapters.split("|") for chapters in found)
    assert f"{len(found)} of " in page.locator(".scorecard-filters output").inner_text()
    assert page.problems == []


def test_a_part_of_the_picture_filters_and_the_address_keeps_it(visit):
    page = settled(visit(PAGE))
    every = len(shown(page))
    part = page.locator('.scorecard-picture a[href="#document=001&verdict=refuted"]')
    number = int(part.get_attribute("title").split()[0])
    part.click()
    assert page.url.endswith("#document=001&verdict=refuted")
    assert len(shown(page)) == number < every
    assert set(data(page, "document")) == {"001"}
    assert part.get_attribute("aria-current") == "true"
    page.reload()
    settled(page)
    assert len(shown(page)) == number
    page.locator(".scorecard-filters button").click()
    page.wait_for_function(f"() => ({SHOWN})().length === {every}")
    assert "#" not in page.url


def test_words_are_searched_for_and_go_with_the_other_filters(visit):
    page = settled(visit(PAGE))
    page.fill(".scorecard-filters input", "checkpointing")
    assert "claim-003-checkpointing" in shown(page)
    assert page.url.endswith("#q=checkpointing")
    page.select_option('.scorecard-filters select[name="document"]', "000")
    assert "claim-003-checkpointing" not in shown(page)


def test_columns_are_sorted_by_what_they_say(visit):
    page = settled(visit(PAGE))
    page.click("table.scorecard th:has-text('Verdict')")
    kinds = data(page, "verdict")
    assert kinds[0] == "reproduced"
    assert kinds[-1] in ("open", "not testable here")
    page.click("table.scorecard th:has-text('Verdict')")
    assert data(page, "verdict") == kinds[::-1] or data(page, "verdict")[0] == kinds[-1]


def test_a_claim_in_the_address_is_opened(visit):
    page = settled(visit(f"{PAGE}#claim-001-label-s"))
    row = page.locator("#claim-001-label-s")
    assert row.locator("details").evaluate("node => node.open")
    assert row.locator("dl").is_visible()
    assert row.evaluate("node => node.getBoundingClientRect().top < innerHeight")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_cards_fit_a_phone(visit, scheme):
    page = settled(visit(PAGE, viewport={"width": 390, "height": 844}, color_scheme=scheme))
    assert page.evaluate(OVERFLOW) <= 0
    label = "node => getComputedStyle(node, '::before').content"
    assert page.locator("#claim-001-label-s td.ours").evaluate(label) == '"Ours"'


def test_without_javascript_it_is_a_plain_table(visit):
    page = visit(PAGE, java_script_enabled=False)
    page.wait_for_selector("footer", state="attached")
    assert page.locator("table.scorecard tbody tr").count() > 200
    assert page.locator("table.scorecard tbody tr").last.is_visible()
    assert not page.locator(".scorecard-filters").is_visible()
    first = page.locator("table.scorecard summary").first
    first.click()
    assert page.locator("table.scorecard dl").first.is_visible()
