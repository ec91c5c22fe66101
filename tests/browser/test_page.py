"""The page in Chromium, on the real handlers."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluicegate.domain.schema import Column, Problem, Schema
from sluicegate.http.answers import answer
from sluicegate.http.catalog import ROUTES
from sluicegate.http.feedback import handle as take_feedback
from sluicegate.report import drift_page
from sluicegate.report.page import render
from sluicegate.services.catalog import Catalog
from sluicegate.services.feedback import Feedback
from tests.browser.site_server import KEY, serving
from tests.contract.http import samples
from tests.contract.http.stub_aws import SECRET_TEXT, StubAws, running
from tests.contract.http.test_predict_over_http import load
from tests.support.fakes import FakeStorage
from tests.support.fakes import World as FakeWorld
from tests.support.sample_drift import drift_report
from tests.support.sample_report import report
from tests.support.tallies import FakeTallies

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOSTILE = "<img src=x onerror=\"document.title='broken'\">"
PUBLIC = {"/", "/openapi.json", "/{asset}"}


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.fail("no Chromium here: `make chromium` installs it (Debian: apt install chromium)")
    playwright.expect.set_options(timeout=20_000)  # what comes late on a slow machine is right all the same
    with playwright.sync_playwright() as run:
        chromium = run.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


class World:
    """What stands behind the page; tests change it while the page looks."""

    def __init__(self, registry: samples.MemoryRegistry, aws: StubAws) -> None:
        self.registry, self.aws, self.url = registry, aws, ""
        self.decided: list[Any] = []
        self.tallies = FakeTallies()

    def feedback(self, event: dict[str, Any], _context: Any) -> dict[str, Any]:
        """The real service, over memory."""
        storage = FakeStorage(FakeWorld())
        storage.put("routing/churn.json", self.aws.objects["routing/churn.json"])
        key = SECRET_TEXT.encode()
        return take_feedback(
            event, Feedback(storage, self.tallies, lambda: key, lambda _line: None), lambda _line: None
        )

    def decide(self, event: dict[str, Any], _context: Any) -> dict[str, Any]:
        """What people ask of experiments, written down and answered."""
        self.decided.append(json.loads(event["body"]))
        return answer(202, {"experiment": "c0ffee12", "status": "starting"})

    def order(self, event: dict[str, Any], _context: Any) -> dict[str, Any]:
        """What people ask of endpoints."""
        self.decided.append((event["resource"].rsplit("/", 1)[1], json.loads(event["body"])))
        return answer(202, {"done": True, "message": "The endpoint of churn goes to sleep."})


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    aws = StubAws()
    aws.objects["routing/churn.json"] = samples.routing([samples.lane(2)])
    aws.variants["sluicegate-churn"] = {"v2": lambda body: b"0.8125\n" * body.count(b"\n")}
    here = World(samples.registry(), aws)
    web, models, predict = load("serve_web"), load("manage_models"), load("predict")
    models.catalog = lambda: Catalog(here.registry, "sluicegate-data", samples.MemoryReports(here.url))
    routes = {("GET", route): models.handler for route in ROUTES}
    routes["POST", "/models/{model}/predictions"] = predict.handler
    routes["POST", "/models/{model}/feedback"] = here.feedback
    routes |= {(method, "/models/{model}/experiment"): here.decide for method in ("PUT", "POST")}
    routes |= {("POST", f"/models/{{model}}/{what}"): here.order for what in ("sleep", "wake")}
    routes |= {("GET", resource): web.handler for resource in PUBLIC}
    with running(aws), serving(routes, PUBLIC) as url:
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)
        here.url = url
        yield here


class Watched:
    """A page whose console and requests are held against it."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self.own = page, url.split("/_api")[0]
        self.complaints: list[str] = []
        self.outside: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._console)
        page.on("request", self._request)

    def _request(self, request: Any) -> None:
        if not request.url.startswith(self.own):
            self.outside.append(request.url)

    def _console(self, message: Any) -> None:
        # the browser itself writes an error line for each 4xx answer that a test provokes
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)


@pytest.fixture
def open_page(browser: Any, world: World, request: pytest.FixtureRequest) -> Iterator[Any]:
    contexts = []

    def open_it(address: str = "/", key: str | None = KEY, **options: Any) -> Watched:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        contexts.append(context)
        watched = Watched(context.new_page(), world.url)
        contexts.append(watched)
        watched.page.goto(world.url + address)
        if key is not None:
            watched.page.get_by_label("API key", exact=True).fill(key)
            watched.page.get_by_role("button", name="Open").click()
        return watched

    yield open_it
    for context, watched in zip(contexts[::2], contexts[1::2], strict=True):
        folder = os.environ.get("SCREENSHOTS")
        if folder:
            name = re.sub(r"\W+", "-", request.node.name)
            watched.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
        context.close()
        assert watched.complaints == []
        assert watched.outside == []


def expect(locator: Any) -> Any:
    return playwright.expect(locator)


def test_the_key_is_asked_for_once_and_kept_in_the_tab(open_page: Any) -> None:
    page = open_page(key=None).page
    expect(page.get_by_role("heading", name="Your API key")).to_be_visible()
    page.get_by_label("API key", exact=True).fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not accepted")
    page.get_by_label("API key", exact=True).fill(KEY)
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="churn")).to_be_visible()
    page.reload()
    expect(page.get_by_role("link", name="churn")).to_be_visible()
    assert page.evaluate("localStorage.length") == 0
    assert page.context.cookies() == []


@pytest.mark.parametrize("address", ["/", ""])
def test_the_page_works_with_and_without_the_slash_of_the_stage(open_page: Any, address: Any) -> None:
    page = open_page(address).page
    expect(page.get_by_role("link", name="churn")).to_be_visible()


def test_models_with_state_and_version_and_files_outside(open_page: Any) -> None:
    page = open_page().page
    link = page.get_by_role("link", name="churn")
    expect(link).to_contain_text("live")
    expect(link).to_contain_text("version 2")
    expect(page.get_by_role("link", name="price")).to_contain_text("working")
    expect(page.get_by_role("region", name="Files outside any model")).to_contain_text("Move it to data/<model>/.")
    expect(page.get_by_role("heading", name="Choose a model")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_models_run_versions_and_uploads(open_page: Any, scheme: Any) -> None:
    page = open_page("/#/models/churn", color_scheme=scheme).page
    expect(page.get_by_role("heading", name="churn", exact=True)).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("12 rows set aside")
    steps = page.locator(".steps li")
    expect(steps).to_have_count(6)
    expect(steps.nth(1)).to_contain_text("Trained")
    expect(page.locator(".versions")).to_contain_text("0.9132 (0.8911 – 0.9353)")
    expect(page.locator(".versions")).to_contain_text("is not worse than version 1")
    expect(page.locator(".batches")).to_contain_text("predictions/churn/june.csv")
    expect(page.locator(".batches")).to_contain_text("2 rows rejected")
    expect(page.locator(".batches")).to_contain_text("The model 'churn' has no version 9.")
    expect(page.locator(".uploads")).to_contain_text("12 rows set aside")
    expect(page.locator(".uploads")).to_contain_text("data-rejects/churn/0a1b2c3d4e5f/report.json")
    expect(page.locator(".uploads")).to_contain_text("Upload a CSV with a header and at least one row.")


def test_a_run_tells_what_it_searched_and_what_it_cost(open_page: Any) -> None:
    page = open_page("/#/models/churn").page
    search = page.locator(".search")
    expect(search).to_contain_text("Tuning (Bayesian): 2 of 2 jobs, the best validation:auc 0.9134")
    search.get_by_text("Jobs", exact=True).click()
    expect(search.locator("li").first).to_contain_text("eta 0.1047 · the best")
    expect(search.locator("li").nth(1)).to_contain_text("out of memory")
    cost = "Cost $0.0126, estimated $0.0149, at most $0.3450; the budget is $5.00 (prices of us-east-1, 2026-08-11)"
    expect(page.get_by_text(cost)).to_be_visible()
    page.get_by_text("In SageMaker and S3").click()
    expect(page.locator(".whereabouts")).to_contain_text("--training-job-name sluicegate-churn-1f2e3d4c")
    expect(page.locator(".whereabouts")).to_contain_text("describe-endpoint --endpoint-name sluicegate-churn")


def test_a_prediction_from_the_form(open_page: Any, world: Any) -> None:
    page = open_page("/#/models/churn").page
    expect(page.get_by_label("tenure")).to_have_value("12")
    page.get_by_label("tenure").fill("")
    page.get_by_label("plan").select_option("pro")
    box = page.get_by_label("autopay")
    expect(box).to_be_checked()
    box.press("Space")
    expect(page.locator(".check .state")).to_have_text("no")
    box.press("Space")
    expect(page.locator(".check .state")).to_have_text("unknown")
    assert box.evaluate("(element) => element.indeterminate")
    page.get_by_label("joined").fill("2025-01-31")
    page.get_by_label("joined").press("Enter")
    result = page.locator(".result")
    expect(result.locator(".prediction strong")).to_have_text("yes")
    expect(result.locator(".bars li").first).to_contain_text("81.3 %")
    assert result.locator(".bar").first.evaluate("(bar) => bar.style.width") == "81.25%"
    expect(result).to_contain_text(re.compile(r"version 2 · [\w-]{64}"))
    said = result.get_by_role("status")
    result.get_by_label("What was true?").select_option("no")
    result.get_by_role("button", name="Say so").click()
    expect(said).to_have_text("Taken, thank you.")
    assert len(world.tallies.said) == 1
    fields = world.aws.asked("/invocations")[-1].body.decode().strip().split(",")
    assert fields[0] == ""  # an emptied number is missing
    result.get_by_text("The same with curl").click()
    expect(result).to_contain_text('"autopay":null')
    # the program of docs/api.md, as a page would run it
    found = re.search(r"```js\n(.*?)```", (Path(__file__).parents[2] / "docs" / "api.md").read_text(), re.S)
    assert found is not None
    given = [world.url, KEY, [samples.RECORD]]
    program = f"([base, key, records]) => {{ {found[1]}; return predict(base, key, 'churn', records); }}"
    assert page.evaluate(program, given)[0]["prediction"] == "yes"


def test_field_errors_are_shown_at_their_fields(open_page: Any, world: Any) -> None:
    world.registry.items["churn"]["schema"]["columns"] += [
        {"name": "unknown_now", "type": "number"},
        {"name": "when", "type": "category"},
    ]
    page = open_page("/#/models/churn").page
    page.get_by_role("button", name="Predict").click()
    field = page.get_by_label("unknown_now")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    described = field.get_attribute("aria-describedby").split()[-1]
    expect(page.locator(f"#{described}")).to_contain_text("unknown field")
    expect(page.get_by_label("tenure")).not_to_have_attribute("aria-invalid", "true")
    field.fill("3")
    expect(page.locator(f"#{described}")).to_be_hidden()


def test_a_failing_model_is_told(open_page: Any, world: Any) -> None:
    def fail(body: bytes) -> bytes:
        raise ArithmeticError("the tree is hollow")

    world.aws.variants["sluicegate-churn"]["v2"] = fail
    page = open_page("/#/models/churn").page
    page.get_by_role("button", name="Predict").click()
    expect(page.locator(".predict").get_by_role("alert")).to_contain_text("the tree is hollow")


def test_work_shows_up_by_itself_and_what_was_typed_stays(open_page: Any, world: Any) -> None:
    page = open_page("/#/models/churn").page
    page.get_by_label("tenure").fill("42")
    page.goto(world.url + "/#/models/price")
    expect(page.locator(".steps [aria-current=step]")).to_contain_text("Training")
    page.goto(world.url + "/#/models/churn")
    page.get_by_label("tenure").fill("43")
    run = world.registry.of["price", "run"][0]
    run["status"] = "live"
    world.registry.items["price"] |= {"state": "live", "live_version": 1}
    expect(page.get_by_role("link", name="price")).to_contain_text("version 1")
    expect(page.get_by_label("tenure")).to_have_value("43")
    expect(page.get_by_label("tenure")).to_be_focused()


def test_a_training_run_on_a_phone(open_page: Any) -> None:
    page = open_page("/#/models/price", viewport={"width": 390, "height": 844}).page
    expect(page.locator(".steps [aria-current=step]")).to_contain_text("40 of 100 rounds")
    expect(page.locator(".steps .ahead")).to_have_count(4)
    expect(page.locator(".predict")).to_contain_text("aws s3 cp mydata.csv s3://sluicegate-data/data/price/")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_prediction_on_a_phone_in_the_dark(open_page: Any) -> None:
    page = open_page("/#/models/churn", viewport={"width": 390, "height": 844}, color_scheme="dark").page
    page.get_by_role("button", name="Predict").click()
    expect(page.locator(".prediction strong")).to_have_text("yes")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_nothing_yet_teaches_what_to_do(open_page: Any, world: Any) -> None:
    world.registry.items.clear()
    world.registry.outside.clear()
    page = open_page().page
    expect(page.get_by_role("heading", name="Drop a file, get a model")).to_be_visible()
    expect(page.locator("#detail")).to_contain_text("aws s3 cp mydata.csv s3://sluicegate-data/data/mymodel/")


def test_an_unknown_model_is_told(open_page: Any) -> None:
    page = open_page("/#/models/chrun").page
    expect(page.locator("#detail")).to_contain_text("Did you mean 'churn'?")


def test_names_are_text_whatever_they_hold(open_page: Any, world: Any) -> None:
    schema = Schema((Column(HOSTILE, "category", categories=(HOSTILE, "b"), example=HOSTILE),), target="hit")
    problem = Problem("binary", ("no", HOSTILE), HOSTILE)
    world.aws.objects["routing/churn.json"] = samples.routing([samples.lane(2, schema, problem)])
    world.registry.items["churn"] |= {"schema": schema.to_json(), "target": HOSTILE, "message": HOSTILE}
    world.registry.items["churn"]["settings_problem"] = {"title": HOSTILE, "detail": HOSTILE, "remedy": HOSTILE}
    for kind in ("run", "upload", "version"):
        for item in world.registry.of["churn", kind]:
            item |= {"key": HOSTILE, "notes": [HOSTILE], "reason": HOSTILE, "status": HOSTILE}
            item["error"] = {"title": HOSTILE, "detail": HOSTILE, "remedy": HOSTILE}
            item["verdict"] = {"accepted": False, "reason": HOSTILE}
            item["history"] = [{"at": HOSTILE, "status": HOSTILE, "message": HOSTILE}]
    world.registry.items["hostile"] = world.registry.items.pop("price") | {"model": HOSTILE, "problem": HOSTILE}
    world.registry.outside[0]["key"] = HOSTILE
    page = open_page("/#/models/churn").page
    expect(page.get_by_label(HOSTILE)).to_have_value("0")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator(".prediction strong")).to_have_text(HOSTILE)
    expect(page.locator(".models")).to_contain_text(HOSTILE)
    assert page.locator("img:not([src='icon.svg'])").count() == 0
    assert page.title() == "churn · Sluicegate"


def test_every_control_has_a_name_and_the_keyboard_reaches_it(open_page: Any) -> None:
    page = open_page("/#/models/churn").page
    expect(page.get_by_label("tenure")).to_be_visible()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("input, select, button, a")].filter((element) => {
             const name = element.textContent.trim() || element.getAttribute("aria-label");
             return element.checkVisibility() && !element.labels?.length && !name;
           }).length"""
    )
    assert nameless == 0
    page.get_by_label("tenure").focus()
    for name in ("plan", "autopay"):
        page.keyboard.press("Tab")
        expect(page.get_by_label(name, exact=True)).to_be_focused()


def test_a_region_that_went_away_is_told_and_found_again(open_page: Any) -> None:
    page = open_page("/#/models/churn").page
    expect(page.get_by_label("tenure")).to_be_visible()
    page.context.set_offline(True)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_role("alert").first).to_contain_text("can't be reached")
    page.context.set_offline(False)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#notice")).to_be_hidden()


def test_the_report_opens_in_a_tab_of_its_own(open_page: Any) -> None:
    page = open_page("/#/models/churn").page
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Report of version 2").click()
    tab = opened.value
    tab.wait_for_url("**/evaluations/churn/1f2e3d4c/report.html?for=300")
    assert tab.evaluate("window.opener") is None
    expect(page.get_by_role("button", name="Report of run 1f2e3d4c")).to_be_enabled()


def test_drift_is_told_with_its_report(open_page: Any, world: World) -> None:
    page = open_page("/#/models/churn").page
    card = page.locator("section.drift")
    expect(card).to_contain_text("drifted")
    expect(card).to_contain_text("2,000 predictions of version 2")
    expect(card).to_contain_text("age: PSI")
    expect(card).to_contain_text("Retraining: a run was asked for.")
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Drift report").click()
    opened.value.wait_for_url("**/drift/churn/2026-11-22T0000Z/report.html?for=300")
    world.registry.items["churn"]["drift"] |= {"drifted": False, "compared": False, "version": 1, "reasons": []}
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(card).to_contain_text("There was too little to compare")
    expect(card).to_contain_text("Another version serves now")
    del world.registry.items["churn"]["drift"]
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(card).to_be_hidden()


def test_a_drift_report_is_never_wider_than_the_window(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "drift.html"
    file.write_text(drift_page.render(drift_report(HOSTILE)), encoding="utf-8")
    context = browser.new_context(viewport={"width": 340, "height": 800})
    try:
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(file.as_uri())
        assert complaints == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 340
        assert page.evaluate("[...document.images, ...document.scripts].length") == 0
        # reasons are lines, not columns of letters
        assert page.locator(".reasons li").first.evaluate("found => found.clientWidth") > 200
    finally:
        context.close()


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("width", [340, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_shows_without_complaint_and_never_wider_than_the_window(
    browser: Any, tmp_path: Path, kind: str, width: int, scheme: str
) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(report(kind, HOSTILE)), encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    try:
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("request", lambda request: complaints.append(request.url))
        page.goto(file.as_uri())
        assert complaints == [file.as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("[...document.images, ...document.scripts].length") == 0
        shown = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert shown == {"light": "rgb(242, 245, 243)", "dark": "rgb(13, 22, 24)"}[scheme]
        assert page.locator("figure svg[role=img]").first.bounding_box()["width"] > 200
    finally:
        context.close()


def test_an_experiment_with_its_lanes_its_course_and_what_they_say(open_page: Any) -> None:
    page = open_page("/#/models/churn").page
    card = page.locator(".experiment")
    expect(card.get_by_role("heading", name="Experiment: A/B test")).to_be_visible()
    expect(card).to_contain_text("Nothing is shown yet")
    challenger = card.get_by_role("row", name="challenger")
    expect(challenger).to_contain_text("20 %")
    expect(challenger).to_contain_text("0.03 (-0.0")
    expect(card.get_by_role("img", name="Difference of challenger to the champion")).to_be_visible()
    expect(card).to_contain_text("begun by ada: was the first one better?")


def test_a_person_stops_an_experiment_with_the_admin_key(open_page: Any, world: Any) -> None:
    page = open_page("/#/models/churn").page
    card = page.locator(".experiment")
    card.get_by_role("button", name="Stop").click()
    card.get_by_label("Why").fill("the wrong one")
    card.get_by_label("Admin key").fill(KEY)
    card.get_by_role("button", name="Stop the experiment").click()
    expect(card.get_by_role("alert")).to_contain_text("Written.")
    assert world.decided == [{"decision": "stop", "why": "the wrong one"}]


def test_without_one_a_person_may_begin_one(open_page: Any, world: Any) -> None:
    world.registry.of["churn", "experiment"] = []
    world.registry.items["churn"]["experiment"] = None
    page = open_page("/#/models/churn").page
    card = page.locator(".experiment")
    card.get_by_role("button", name="Compare a version").click()
    expect(card.get_by_label("Challenger")).to_have_value("1")
    card.get_by_label("Kind").select_option("shadow")
    card.get_by_label("Admin key").fill(KEY)
    card.get_by_role("button", name="Start the experiment").click()
    expect(card.get_by_role("alert")).to_contain_text("Experiment c0ffee12 is starting.")
    assert world.decided == [{"challenger": 1, "mode": "shadow"}]


SLEEP = {
    "state": "asleep",
    "since": "2026-01-02T03:04:05.000Z",
    "asleep_at": "2026-01-02T03:04:05.000Z",
    "by": "idle_shutdown",
    "version": 2,
    "config": "sluicegate-churn-v2",
    "usd_per_hour": 0.23,
    "gone": True,
    "error": None,
}


def test_a_prediction_waits_on_the_page_for_an_endpoint_that_sleeps(open_page: Any, world: World) -> None:
    world.registry.model("churn")["sleep"] = SLEEP
    document = json.loads(world.aws.objects["routing/churn.json"])
    world.aws.objects["routing/churn.json"] = json.dumps(document | {"state": "asleep"}).encode()
    page = open_page("/#/models/churn").page
    expect(page.get_by_text("asleep since")).to_be_visible()
    expect(page.get_by_text("$0.23 an hour")).to_be_visible()
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_text("was asleep and wakes")).to_be_visible()
    assert [json.loads(event["Detail"])["model"] for event in world.aws.events] == ["churn"]
    world.registry.model("churn")["sleep"] = None
    world.aws.objects["routing/churn.json"] = json.dumps(document).encode()
    expect(page.locator(".result strong")).to_have_text("yes")


def test_a_person_puts_an_endpoint_to_sleep(open_page: Any, world: World) -> None:
    page = open_page("/#/models/churn").page
    page.get_by_role("button", name="Put the endpoint to sleep").click()
    page.get_by_label("Why").fill("a quiet week")
    page.get_by_label("Admin key").fill(KEY)
    page.get_by_role("button", name="Put the endpoint to sleep").last.click()
    expect(page.get_by_text("goes to sleep.")).to_be_visible()
    assert world.decided == [("sleep", {"why": "a quiet week"})]


def test_the_link_that_skips_the_list_keeps_the_model(open_page: Any) -> None:
    page = open_page("/#/models/churn").page
    expect(page.get_by_role("heading", name="churn", exact=True)).to_be_visible()
    page.get_by_role("link", name="Skip to the model").press("Enter")
    expect(page.locator("#detail")).to_be_focused()
    assert page.url.endswith("#/models/churn")
    expect(page.get_by_role("heading", name="churn", exact=True)).to_be_visible()


def test_the_apis_description_for_people_needs_no_key(open_page: Any) -> None:
    page = open_page("/", key=None).page
    page.get_by_role("link", name="API", exact=True).click()
    request = page.locator("#predict")
    expect(request.get_by_role("heading", name="Predict one or more records")).to_be_visible()
    expect(request).to_contain_text("/models/churn/predictions")
    expect(request.get_by_role("row", name="X-Lane header")).to_be_visible()
    shape = page.locator("#Predictions")
    expect(shape.get_by_role("table")).to_be_hidden()
    request.get_by_role("link", name="Predictions", exact=True).click()
    expect(shape.get_by_role("row", name="served_by")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
