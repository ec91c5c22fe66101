"""The key that authenticates inference ids, from Secrets Manager; read once a process, when first needed."""

from __future__ import annotations

import json
import threading

from sluicegate.adapters.signed_http import SECRETS_MANAGER, SignedHttp
from sluicegate.domain.errors import Transient

SHORTEST = 16


class SecretKey:
    """Callable that gives the key's bytes. Neither they nor the answer that held them are ever logged or shown."""

    def __init__(self, http: SignedHttp, secret_arn: str) -> None:
        self._http, self._arn = http, secret_arn
        self._key = b""
        self._lock = threading.Lock()

    def __call__(self) -> bytes:
        """Raises `Transient` (the service fails, or the secret is too short to protect anything) and `Refused`."""
        if not self._key:
            with self._lock:
                if not self._key:
                    self._key = self._read()
        return self._key

    def _read(self) -> bytes:
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "secretsmanager.GetSecretValue"}
        body = json.dumps({"SecretId": self._arn}).encode()
        answer = self._http.send(SECRETS_MANAGER, "POST", "/", headers, body, timeout=5.0)
        key = str(json.loads(answer.body).get("SecretString", "")).encode()
        if len(key) < SHORTEST:
            raise Transient(f"the secret {self._arn} must be a string of at least {SHORTEST} characters")
        return key
