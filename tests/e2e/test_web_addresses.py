"""The page and what it loads, from each address that a stage has."""

from __future__ import annotations

import http.client
import re
from urllib.parse import urljoin, urlsplit

import pytest

from tests.support.application import Application

pytestmark = pytest.mark.e2e


def get(port: int, host: str, path: str) -> tuple[int, str, str]:
    """Status, type and text. The name is sent, not looked up: ``*.localhost`` isn't in every resolver."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.headers["Content-Type"], answer.read().decode()


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("own_host", [False, True])
def test_the_page_finds_its_assets(application: Application, slash: str, own_host: bool) -> None:
    info, url = application.info, urlsplit(application.target.api_url.rstrip("/"))
    api, stage = url.path.removeprefix("/_api/").split("/")
    host = f"{api}.execute-api.localhost:{url.port}" if own_host else f"127.0.0.1:{url.port}"
    path = (f"/{stage}" if own_host else url.path) + slash
    status, kind, page = get(int(url.port or 0), host, path)
    assert (status, kind.split(";")[0]) == (200, "text/html"), info
    base = re.search(r'<base href="([^"]+)">', page)
    assert base is not None
    below = urljoin(f"http://{host}{path}", base[1])
    found = set(re.findall(r'(?:src|href)="([^"#]+\.(?:css|js|svg|json))"', page))
    assert {"app.css", "app.js", "icon.svg", "openapi.json"} <= found
    for name in found:
        asset = urlsplit(urljoin(below, name))
        assert get(int(url.port or 0), host, asset.path)[0] == 200, asset.geturl()
