"""serve_web: what a browser gets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.contract.http.samples import LambdaContext, proxy_event
from tests.contract.http.test_predict_over_http import load

ROOT = Path(__file__).parents[3]
CONTEXT = LambdaContext()


@pytest.fixture(scope="module")
def web() -> Any:
    return load("serve_web").handler


def test_the_page(web: Any) -> None:
    answer = web(proxy_event("GET", "/"), CONTEXT)
    headers = answer["headers"]
    assert answer["statusCode"] == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "on" + "click=" not in answer["body"]
    assert not re.search(r"<script(?![^>]*src=)", answer["body"])
    assert not re.search(r"\sstyle=", answer["body"])


def test_everything_the_page_names_is_there_and_relative(web: Any) -> None:
    folder = ROOT / "functions/serve_web/site"
    named: set[str] = set()
    for page in folder.glob("*.html"):
        named |= {name for name in re.findall(r'(?:src|href)="([^"#]+)', page.read_text()) if name != "./"}
    for script in folder.glob("*.js"):
        named |= set(re.findall(r'from "\./([^"]+)"', script.read_text()))
    assert {"app.js", "api.js", "reference.js", "openapi.json"} <= named
    for name in named:
        assert "/" not in name
        assert web(proxy_event("GET", "/{asset}", {"asset": name}), CONTEXT)["statusCode"] == 200, name


@pytest.mark.parametrize(
    ("file", "content_type"),
    [
        ("app.js", "text/javascript; charset=utf-8"),
        ("app.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_assets_have_their_types(web: Any, file: Any, content_type: Any) -> None:
    answer = web(proxy_event("GET", "/{asset}", {"asset": file}), CONTEXT)
    assert answer["headers"]["Content-Type"] == content_type
    assert answer["body"]


@pytest.mark.parametrize("given", ["{}", "W/{}", '"other", {}'])
def test_what_the_browser_has_is_not_sent_again(web: Any, given: Any) -> None:
    event = proxy_event("GET", "/{asset}", {"asset": "app.js"})
    etag = web(event, CONTEXT)["headers"]["ETag"]
    event["headers"]["If-None-Match"] = given.format(etag)
    again = web(event, CONTEXT)
    assert (again["statusCode"], again["body"]) == (304, "")
    assert again["headers"]["ETag"] == etag
    event["headers"]["If-None-Match"] = '"other"'
    assert web(event, CONTEXT)["statusCode"] == 200


@pytest.mark.parametrize(
    ("full_path", "base"), [("/v1/", "./"), ("/v1", "v1/"), ("/", "./"), ('/"><script>', "%22%3E%3Cscript%3E/")]
)
def test_addresses_resolve_with_and_without_the_slash(web: Any, full_path: Any, base: Any) -> None:
    body = web(proxy_event("GET", "/", full_path=full_path), CONTEXT)["body"]
    assert f'<base href="{base}">' in body


@pytest.mark.parametrize("file", ["app.py", "..%2Fapp.py", "%2Fetc%2Fpasswd", ".", ""])
def test_nothing_else_is_served(web: Any, file: Any) -> None:
    answer = web(proxy_event("GET", "/{asset}", {"asset": file}), CONTEXT)
    assert answer["statusCode"] == 404
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert "default-src 'none'" in answer["headers"]["Content-Security-Policy"]


def test_only_get(web: Any) -> None:
    answer = web(proxy_event("POST", "/"), CONTEXT)
    assert (answer["statusCode"], answer["headers"]["Allow"]) == (405, "GET, HEAD")
    assert web(proxy_event("HEAD", "/"), CONTEXT)["body"] == ""


def test_the_document_is_the_file(web: Any) -> None:
    answer = web(proxy_event("GET", "/{asset}", {"asset": "openapi.json"}), CONTEXT)
    assert json.loads(answer["body"]) == json.loads((ROOT / "functions/serve_web/site/openapi.json").read_text())
    assert answer["headers"]["Content-Type"] == "application/json; charset=utf-8"


def test_sample_events_are_answered(web: Any) -> None:
    for name, status in (("serve_web.json", 200), ("serve_web.malformed.json", 404)):
        event = json.loads((ROOT / "events" / name).read_text())
        assert web(event, CONTEXT)["statusCode"] == status
    assert web({"hello": "world"}, CONTEXT)["statusCode"] == 400


def test_assets_are_small() -> None:
    """What a browser loads; the API's description is for programs."""
    sizes = {path.name: path.stat().st_size for path in (ROOT / "functions/serve_web/site").iterdir()}
    assert sizes.pop("openapi.json") < 250_000
    assert sum(sizes.pop(name) for name in list(sizes) if name.startswith("reference.")) < 12_000
    assert sum(sizes.values()) < 80_000
