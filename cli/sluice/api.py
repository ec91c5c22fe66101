"""The application's HTTP API, as a client sees it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from sluice.errors import CliError


class ApiError(CliError):
    """An answer other than 2xx. ``status`` and ``problem`` are what the API said."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.problem = problem
        title = str(problem.get("title") or problem.get("message") or "the API gave no reason")
        detail = str(problem.get("detail") or "")
        lines = [f"{title} ({status}): {detail}" if detail else f"{title} ({status})"]
        for item in problem.get("errors") or []:
            where = ", ".join(
                f"{name} {item[name]}" for name in ("record", "field") if item.get(name) not in (None, "")
            )
            lines.append(f"  {where}: {item.get('message', '')}" if where else f"  {item.get('message', '')}")
        super().__init__("\n".join(lines), str(problem.get("remedy") or ""))


class Api:
    """``base`` is the stage's address, ``key`` the API key; ``direct`` goes past any proxy (the local region)."""

    def __init__(self, base: str, key: str, direct: bool = False) -> None:
        self._base = base.rstrip("/")
        self._key = key
        handlers = [urllib.request.ProxyHandler({})] if direct else []
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path: str) -> dict[str, Any]:
        for pause in (0.2, 0.5, 1.0, 2.0):
            try:
                return self._send("GET", path, None, {})
            except ApiError as error:
                if error.status != 429:  # the usage plan's rate is shared with all who predict: give way
                    raise
            time.sleep(pause)
        return self._send("GET", path, None, {})

    def find(self, path: str) -> dict[str, Any] | None:
        """As ``get``, but None when it doesn't exist (404)."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._send("POST", path, json.dumps(body).encode(), {"content-type": "application/json"})

    def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._send("PUT", path, json.dumps(body).encode(), {"content-type": "application/json"})

    def delete(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._send("DELETE", path, json.dumps(body).encode(), {"content-type": "application/json"})

    def predict(
        self, model: str, body: bytes, content_type: str, subject: str | None = None, lane: str | None = None
    ) -> dict[str, Any]:
        path = f"models/{urllib.parse.quote(model, safe='')}/predictions"
        asked = {"x-subject": subject, "x-lane": lane}
        headers = {name: value for name, value in asked.items() if value}
        return self._send("POST", path, body, {"content-type": content_type, **headers})

    def text(self, path: str, accept: str) -> str:
        """The answer as it comes."""
        return self._exchange("GET", path, None, {"accept": accept}).decode()

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> dict[str, Any]:
        return _object(self._exchange(method, path, body, headers))

    def _exchange(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        request = urllib.request.Request(  # noqa: S310  (the address is the stack's own output)
            f"{self._base}/{path}", data=body, headers={"x-api-key": self._key, **headers}, method=method
        )
        try:
            with self._opener.open(request, timeout=35) as answer:
                text: bytes = answer.read()
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, _object(error.read())) from None
        except OSError as error:
            raise CliError(
                f"The API at {self._base} can't be reached: {getattr(error, 'reason', error)}.",
                "`sluice status` says what runs.",
            ) from error
        return text


def _object(text: bytes) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        return {"title": text.decode(errors="replace")[:300].strip() or "an empty answer"}
    return body if isinstance(body, dict) else {"body": body}
