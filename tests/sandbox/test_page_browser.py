"""The sandbox's page in a real headless Chromium, which is the machine's own (on Debian: `apt install chromium`)."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from docs import browser
from target_intercom.sandbox import Conditions, SandboxServer

from .client import Api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

CHROMIUM = browser.find()
HOSTILE = "<img src=x onerror=\"document.title='broken into'\"><script>document.title='broken into'</script>"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here (on Debian: apt install chromium)")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    assert CHROMIUM is not None
    with browser.running(CHROMIUM) as running:
        yield running


@pytest.fixture
def live() -> Iterator[Api]:
    """A workspace whose clock moves, and whose rate-limit window does not end meanwhile."""
    with SandboxServer(Conditions(rate_window=1e9)) as sandbox:
        api = Api(sandbox)
        yield api
        api.session.close()


@contextmanager
def visit(chromium: Browser, api: Api, path: str = "/", *, scripts: bool = True) -> Iterator[Page]:
    """Open a page; nothing may be wrong with it by the end, and nothing may have been asked of another place."""
    context = chromium.new_context(java_script_enabled=scripts)
    page = context.new_page()
    wrong: list[str] = []
    asked: set[str] = set()
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(request.url) if "/page/" not in request.url else None)
    page.on("request", lambda request: asked.add(request.url))
    page.goto(api.sandbox.url + path)
    yield page
    context.close()
    assert wrong == []
    assert {url for url in asked if not url.startswith(api.sandbox.url + "/")} == set()


def focused(page: Page) -> str:
    """What the keyboard is in, as it is called."""
    name = page.evaluate("document.activeElement.labels?.[0]?.innerText ?? document.activeElement.innerText")
    return str(name).strip()


def test_a_contact_is_found_and_opened_by_keyboard_alone(chromium: Browser, live: Api) -> None:
    for name in ("Ann", "Ben"):
        live.create(role="user", external_id=name, name=name)
    with visit(chromium, live) as page:
        page.keyboard.press("Tab")
        assert focused(page) == "Skip to the content"
        expect(page.get_by_text("Skip to the content")).to_be_in_viewport()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert focused(page) == "Search"
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.type("ben")
        page.keyboard.press("Enter")
        expect(page.locator("tbody tr")).to_have_count(1)

        page.keyboard.press("Tab")
        passed = []
        while focused(page) != "Ben":
            passed.append(focused(page))
            assert len(passed) < 25, passed
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Ben")
        expect(page.get_by_role("region", name="History").locator("tbody tr")).to_have_count(1)
        assert {"People", "Companies", "Tags", "Calls", "Pause", "Search", "Role", "Tag", "State"} <= set(passed)


def test_the_rate_limit_and_the_calls_move_while_calls_are_made_and_stand_still_when_told_to(
    chromium: Browser, live: Api
) -> None:
    live.conditions(rate_limit=20)
    with visit(chromium, live, "/page/calls") as page:
        rows = page.locator("tbody tr")
        expect(page.get_by_text("No call yet.")).to_be_visible()
        expect(page.get_by_role("meter")).to_have_attribute("value", "0")
        for calls in (10, 21):
            while len(live.sandbox.calls) < calls:
                live.call("GET", "/me")
            expect(page.get_by_role("meter")).to_have_attribute("value", str(calls))
            expect(rows).to_have_count(calls)
        expect(page.get_by_text("1 refused")).to_be_visible()
        page.get_by_role("button", name="Pause").press("Enter")
        expect(page.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "true")
        live.call("GET", "/me")
        page.wait_for_timeout(1200)
        expect(rows).to_have_count(21)
        page.get_by_role("button", name="Pause").press("Enter")
        expect(rows).to_have_count(22)


def test_hostile_values_stay_text(chromium: Browser, live: Api) -> None:
    contact = live.create(role="user", external_id="u1", name=HOSTILE)
    live.ok("POST", "/tags", {"name": HOSTILE, "users": [{"id": contact["id"]}]})
    company = live.company(HOSTILE, name=HOSTILE)["id"]
    live.attach(contact["id"], company)
    pages = ("/", "/page/companies", f"/page/companies/{company}", f"/page/people/{contact['id']}", "/page/calls")
    for path in pages:
        with visit(chromium, live, path) as page:
            expect(page.get_by_text(HOSTILE).locator("visible=true").first).to_be_visible()
            if path == "/page/calls":  # what is written into it later, too
                live.get(contact["id"])
                expect(page.locator("tbody tr")).to_have_count(5)
            assert page.title() != "broken into"
            assert page.locator("main img, main script").count() == 0


def test_without_scripts_everything_is_there(chromium: Browser, live: Api) -> None:
    contact = live.create(role="user", external_id="u1", name="Ann")
    live.ok("POST", "/tags", {"name": "VIP", "users": [{"id": contact["id"]}]})
    with visit(chromium, live, scripts=False) as page:
        expect(page.get_by_role("meter")).to_have_attribute("value", "2")
        expect(page.get_by_role("button", name="Pause")).to_have_count(0)
        page.get_by_role("link", name="Tags").click()
        page.get_by_role("link", name="VIP").click()
        expect(page).to_have_url(re.compile(r"/\?tag=\d+$"))
        page.get_by_role("link", name="Ann").click()
        expect(page.get_by_role("heading", name="Ann")).to_be_visible()
        page.get_by_role("link", name="Calls").click()
        expect(page.locator("tbody tr")).to_have_count(2)


def test_from_a_contact_to_its_company_and_back(chromium: Browser, live: Api) -> None:
    contact = live.create(role="user", external_id="u1", name="Ann")
    company = live.company("acme", name="Acme & Co", plan="Pro")
    live.attach(contact["id"], company["id"])
    with visit(chromium, live) as page:
        page.get_by_role("link", name="Ann").click()
        page.get_by_role("region", name="Companies").get_by_role("link", name="Acme & Co").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Acme & Co")
        expect(page.get_by_role("link", name="Companies").first).to_have_attribute("aria-current", "page")
        page.get_by_role("region", name="People").get_by_role("link", name="Ann").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Ann")
        page.get_by_role("navigation", name="Pages").get_by_role("link", name="Companies").click()
        page.get_by_label("Search").fill("ACME")
        page.get_by_role("button", name="Search").click()
        expect(page).to_have_url(re.compile(r"/page/companies\?q=ACME"))
        expect(page.locator("tbody tr")).to_have_count(1)
        live.ok("DELETE", f"/companies/{company['id']}")
        page.reload()
        expect(page.get_by_text("being deleted")).to_be_visible()


def test_on_a_narrow_screen_no_long_name_moves_a_page_sideways(chromium: Browser, live: Api) -> None:
    contact = live.create(role="user", external_id="x" * 120, name="N" * 120)
    for name in ("T" * 120, "VIP"):
        live.ok("POST", "/tags", {"name": name, "users": [{"id": contact["id"]}]})
    company = live.company("c" * 120, name="C" * 120, plan="P" * 120)["id"]
    live.attach(contact["id"], company)
    live.ok("POST", "/tags", {"name": "T" * 120, "companies": [{"id": company}]})
    companies = ("/page/companies", f"/page/companies/{company}")
    for path in ("/", *companies, "/page/tags", f"/page/people/{contact['id']}", "/page/calls"):
        with visit(chromium, live, path) as page:
            page.set_viewport_size({"width": 320, "height": 640})
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert (path, page.evaluate("document.documentElement.scrollWidth")) == (path, 320)


@pytest.mark.parametrize("width", [320, 600, 899])
def test_tags_keep_their_words_whole_on_a_narrow_screen(chromium: Browser, live: Api, width: int) -> None:
    contact = live.create(role="user", external_id="x" * 40, email=f"{'y' * 40}@example.com", name="Ann Example")
    for name in ("Customers", "VIP", "Newsletter-2026"):
        live.ok("POST", "/tags", {"name": name, "users": [{"id": contact["id"]}]})
    with visit(chromium, live) as page:
        page.set_viewport_size({"width": width, "height": 640})
        heights = [tag.bounding_box() for tag in page.locator(".people .tags li").all()]
        assert [box is not None and box["height"] < 40 for box in heights] == [True] * 3


def test_rows_that_somebody_reads_stay_where_they_are_while_calls_come(chromium: Browser, live: Api) -> None:
    for _ in range(40):
        live.call("GET", "/me")
    with visit(chromium, live, "/page/calls") as page:
        page.set_viewport_size({"width": 900, "height": 400})
        rows = page.locator("tbody tr")
        expect(rows).to_have_count(40)
        shown = rows.nth(30)
        shown.scroll_into_view_if_needed()
        before = (shown.inner_text(), shown.bounding_box())
        for _ in range(3):
            live.call("GET", "/me")
        page.wait_for_timeout(2500)
        assert (shown.inner_text(), shown.bounding_box()) == before
        page.evaluate("scrollTo(0, 0)")
        expect(rows).to_have_count(43)
