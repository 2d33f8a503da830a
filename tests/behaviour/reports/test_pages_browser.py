"""report.html and plan.html in a real headless Chromium, the machine's own (on Debian: `apt install chromium`)."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import pytest
from playwright.sync_api import expect

from docs import browser
from target_intercom.run.pages import Pages
from target_intercom.settings.config import Config
from tests.units.reporting.pages.facts import ENDED, facts
from tests.units.reporting.pages.test_plan_page import create, line, update
from tests.units.reporting.pages.test_report_page import history

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from target_intercom.reporting.pages.report_page import RunFacts

Scheme = Literal["light", "dark"]
CHROMIUM = browser.find()
HOSTILE = "</script><img src=x onerror=\"document.title='broken into'\"><script>document.title='broken into'</script>"
WIDE, NARROW = 1280, 400
SHAPES: list[tuple[int, Scheme]] = [(WIDE, "light"), (WIDE, "dark"), (NARROW, "light"), (NARROW, "dark")]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here (on Debian: apt install chromium)")
shapes = pytest.mark.parametrize(("width", "scheme"), SHAPES)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    assert CHROMIUM is not None
    with browser.running(CHROMIUM) as running:
        yield running


@contextmanager
def visit(
    chromium: Browser, path: Path, width: int = WIDE, scheme: Scheme = "light", *, scripts: bool = True
) -> Iterator[Page]:
    """Open a page; nothing may be wrong with it, it may ask for nothing else, and must fit into the window."""
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=scripts
    )
    page = context.new_page()
    wrong: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    yield page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "broken into" not in page.title()
    context.close()
    assert wrong == []
    assert asked == [path.as_uri()]


def report(folder: Path, given: RunFacts) -> Path:
    Pages(Config(access_token="sandbox", data_dir=folder), "run").write(given, None)
    return folder / "report.html"


def plan(folder: Path, lines: Iterable[str], **given: Any) -> Path:
    path = folder / "plan-run.jsonl"
    path.write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")
    Pages(Config(access_token="sandbox", data_dir=folder), "run").write(facts(dry_run=True, **given), path)
    return folder / "plan.html"


def focused(page: Page) -> str:
    """What the keyboard is in, as it is called."""
    return str(page.evaluate("(document.activeElement.labels?.[0] ?? document.activeElement).innerText")).strip()


def seen(page: Page, selector: str) -> list[str]:
    """The texts of what is shown."""
    return [re.sub(r"\s+", " ", text).strip() for text in page.locator(selector).all_inner_texts()]


# report.html.


@shapes
def test_a_report_of_forty_streams_is_read_at_any_width(
    chromium: Browser, tmp_path: Path, width: int, scheme: Scheme
) -> None:
    path = report(tmp_path, facts(40, history=history(31)))
    with visit(chromium, path, width, scheme, scripts=True) as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("The run succeeded")
        expect(page.locator(".streams > li")).to_have_count(41)
        last = page.locator(".streams > li").last
        last.scroll_into_view_if_needed()
        expect(last).to_contain_text("stream_39")
        expect(last.locator(".figures li").first).to_have_text("292 created")
        expect(last.locator(".figures li").first).to_be_visible()
        expect(page.locator(".charts figure")).to_have_count(5)
        expect(page.get_by_role("img", name="Calls over time")).to_be_visible()
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(246, 247, 249)"
        assert dark is (scheme == "dark")


@shapes
def test_a_report_of_a_failed_run_says_why_in_plain_sight(
    chromium: Browser, tmp_path: Path, width: int, scheme: Scheme
) -> None:
    why = ["Stream 'customers' is busy: a run works on it. Run one after the other."]
    path = report(tmp_path, facts(exit_code=1, why=why, error="StreamBusyError"))
    with visit(chromium, path, width, scheme) as page:
        trouble = page.get_by_role("region", name="What ended it")
        expect(trouble).to_be_in_viewport()
        expect(trouble).to_contain_text("is busy: a run works on it")
        expect(trouble).to_contain_text("What to do: wait for the other run")


def test_a_report_needs_no_script_and_is_opened_by_the_keyboard(chromium: Browser, tmp_path: Path) -> None:
    path = report(tmp_path, facts(history=history(5)))
    with visit(chromium, path) as page:
        page.keyboard.press("Tab")
        assert focused(page) == "Skip to the content"
        page.keyboard.press("Enter")
        for _ in range(8):
            page.keyboard.press("Tab")
            if focused(page).startswith("These 5 runs"):
                break
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        expect(page.get_by_role("table").filter(has_text="Began").locator("tbody tr")).to_have_count(5)
    assert "<script" not in path.read_text(encoding="utf-8")


def test_a_report_prints_without_what_is_for_the_screen(chromium: Browser, tmp_path: Path) -> None:
    with visit(chromium, plan(tmp_path, [update(n, name=("a", "b")) for n in range(60)]), scheme="dark") as page:
        page.emulate_media(media="print")
        expect(page.get_by_label("Text")).to_be_hidden()
        expect(page.get_by_role("button", name="Next")).to_be_hidden()
        expect(page.locator("#writes > li")).to_have_count(50)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"


@shapes
def test_hostile_texts_stay_text_in_a_report(chromium: Browser, tmp_path: Path, width: int, scheme: Scheme) -> None:
    given = facts(exit_code=1, why=[HOSTILE], workspace=HOSTILE, warnings=[HOSTILE])
    given.report["streams"][HOSTILE] = {**given.report["streams"]["customers"], "reasons": {"rejected": {HOSTILE: 1}}}
    with visit(chromium, report(tmp_path, replace(given, kinds={})), width, scheme) as page:
        expect(page.get_by_text(HOSTILE).first).to_be_visible()
        expect(page.locator(".streams").get_by_text(HOSTILE)).to_be_visible()


# plan.html.


@shapes
def test_a_plan_of_20_000_operations_is_whole_filtered_and_paged(
    chromium: Browser, tmp_path: Path, width: int, scheme: Scheme
) -> None:
    lines = [
        *(create(n, name=f"Person {n}", **{"custom_attributes.plan": "Team"}) for n in range(9_900)),
        *(update(n, seats=(n, n + 1), name=("Old", "New")) for n in range(9_900, 19_900)),
        *(line("archive", n) for n in range(19_900, 20_000)),
    ]
    path = plan(tmp_path, lines)
    assert path.stat().st_size < 10_000_000
    with visit(chromium, path, width, scheme) as page:
        place, rows = page.get_by_role("status"), page.locator("#writes > li")
        expect(place).to_have_text("20,000 operations, page 1 of 400")
        expect(page.get_by_role("region", name="Removals")).to_be_in_viewport()
        expect(rows.first).to_contain_text("archive")
        page.get_by_role("button", name="Next").click()
        expect(place).to_have_text("20,000 operations, page 2 of 400")
        expect(rows.first).to_contain_text("p19950@example.com")
        page.get_by_label("Text").fill("P12345@")
        expect(place).to_have_text("1 of 20,000 operations, page 1 of 1")
        expect(rows).to_have_count(1)
        assert seen(page, "#writes tr") == ["seats 12345 12346", "name Old New"]
        page.get_by_role("button", name="Clear").click()
        page.get_by_label("Attribute", exact=True).select_option("custom_attributes.plan")
        expect(place).to_have_text("9,900 of 20,000 operations, page 1 of 198")
        page.get_by_label("Operation", exact=True).select_option("update")
        expect(place).to_have_text("0 of 20,000 operations, page 1 of 1")


def test_a_plan_is_filtered_by_stream_too_and_by_the_keyboard_alone(chromium: Browser, tmp_path: Path) -> None:
    lines = [update(1, name=("a", "b")), line("tag", 2, tag="VIP").replace("customers", "members")]
    with visit(chromium, plan(tmp_path, lines)) as page:
        for _ in range(9):
            page.keyboard.press("Tab")
            if focused(page).startswith("Stream"):
                break
        page.keyboard.type("mem")
        expect(page.get_by_role("status")).to_have_text("1 of 2 operations, page 1 of 1")
        assert seen(page, "#writes > li") == [
            (
                "tag p2@example.com stream members · key 2 · role user · external_id 2 · "
                "contact 6b01571f5a4d0b0c00000002 · tag VIP"
            )
        ]


def test_the_first_page_is_the_same_with_and_without_the_script(chromium: Browser, tmp_path: Path) -> None:
    lines = [
        create(1, name="Ann", signed_up_at=1764460800, note=None),
        line("create", 2, changes={"name": {"old": "was", "new": "is"}}),
        update(3, name=("a", None), seats=(None, 2), signed_up_at=(1764460800, 1764460860)),
        line("update", 4, changes={"email_verified": {"new": True}}),
        line("archive", 5, object="company", company="63ec", company_id="acme", people=3),
        json.dumps({"operation": "create_tag", "tag": "VIP"}),
        *(update(n, name=("a", "b")) for n in range(60)),
    ]
    path = plan(tmp_path, lines)
    with visit(chromium, path, scripts=False) as page:
        expect(page.get_by_label("Text")).to_be_hidden()
        expect(page.get_by_text("These are the first 50")).to_be_visible()
        expect(page.locator("#writes > li")).to_have_count(50)
    with visit(chromium, path) as page:
        expect(page.get_by_text("These are the first 50")).to_be_hidden()
        clean = "document.getElementById('writes').innerText.replace(/\\s+/g, ' ')"
        before, marks = page.evaluate(clean), page.evaluate(_MARKS)
        page.get_by_role("button", name="Next").click()
        page.get_by_role("button", name="Previous").click()
        assert page.evaluate(clean) == before
        assert page.evaluate(_MARKS) == marks
        assert "signed_up_at 1764460800 2025-11-30 00:00 UTC 1764460860 2025-11-30 00:01 UTC" in before
        assert "email_verified not shown by Intercom true" in before


_MARKS = """
[...document.querySelectorAll("#writes *")].map((one) => one.tagName + "." + one.className + (one.colSpan ?? ""))
"""


@shapes
def test_hostile_texts_stay_text_in_a_plan(chromium: Browser, tmp_path: Path, width: int, scheme: Scheme) -> None:
    lines = [
        update(1, **{HOSTILE: (HOSTILE, HOSTILE)}),
        line("tag", 2, tag=HOSTILE),
        line(HOSTILE, 3).replace("customers", "<!--<script>"),
        *(update(n, name=("a", "b")) for n in range(60)),
    ]
    path = plan(tmp_path, lines, exit_code=1, why=[HOSTILE], workspace=HOSTILE)
    with visit(chromium, path, width, scheme) as page:
        expect(page.get_by_role("status")).to_have_text("63 operations, page 1 of 2")
        expect(page.locator("#writes").get_by_text(HOSTILE).first).to_be_visible()
        page.get_by_label("Text").fill("broken into")
        expect(page.locator("#writes > li")).to_have_count(2)
        page.get_by_label("Text").fill("<!--<script>")
        expect(page.locator("#writes > li")).to_have_count(1)


def test_an_empty_plan_says_so(chromium: Browser, tmp_path: Path) -> None:
    with visit(chromium, plan(tmp_path, [], ended=replace(ENDED, calls=0))) as page:
        expect(page.get_by_text("A run would write nothing")).to_be_visible()
        expect(page.get_by_text("There is nothing to do.")).to_be_visible()
        expect(page.get_by_role("status")).to_have_text("0 operations, page 1 of 1")
