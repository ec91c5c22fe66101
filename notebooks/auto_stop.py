"""Stops this notebook instance when nobody has used it for a while: every hour that it runs is paid.

Cron calls it every five minutes, with the idle seconds that are allowed. Only what the instance's own Python has. The
stack's template holds the same text in the lifecycle configuration.
"""

from __future__ import annotations

import calendar
import json
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

JUPYTER = "https://localhost:8443/api/"
METADATA = "/opt/ml/metadata/resource-metadata.json"


def ask(path: str) -> Any:
    """Jupyter's own API. Its certificate is made on the instance, so there is nobody to vouch for it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(JUPYTER + path, timeout=20, context=context) as answer:  # noqa: S310
        return json.loads(answer.read().decode())


def seconds(moment: str) -> int:
    """Seconds since 1970 of Jupyter's times, such as 2026-11-24T17:05:09.123456Z."""
    return calendar.timegm(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S"))


def last_used(get: Callable[[str], Any]) -> int | None:
    """When Jupyter was last used; None while a kernel works."""
    status, kernels = get("status"), get("kernels")
    if any(kernel["execution_state"] in ("busy", "starting") for kernel in kernels):
        return None
    signs = [status["started"], status["last_activity"]]
    signs += [item["last_activity"] for item in kernels + get("terminals") if item.get("last_activity")]
    return max(seconds(moment) for moment in signs)


def booted() -> float:
    """When the machine came up: its age counts as idleness while Jupyter does not answer."""
    with open("/proc/uptime") as uptime:  # noqa: PTH123
        return time.time() - float(uptime.read().split()[0])


def is_idle(allowed: float, now: float, get: Callable[[str], Any], started: Callable[[], float]) -> bool:
    """Whether nobody has used Jupyter for more than ``allowed`` seconds."""
    used: float | None
    try:
        used = last_used(get)
    except OSError:
        used = started()
    return used is not None and now - used > allowed


def main() -> None:
    if is_idle(int(sys.argv[1]), time.time(), ask, booted):
        with open(METADATA) as file:  # noqa: PTH123
            name = json.load(file)["ResourceName"]
        command = ["aws", "sagemaker", "stop-notebook-instance", "--notebook-instance-name", name]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
