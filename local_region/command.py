"""The command line of the region's process. People use ``sluice up``, which runs this in the background."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from local_region.allocator import give_memory_back
from local_region.ports import RegionConfig
from local_region.state import StartupError, StateFolder

#: the parts get this long to stop; then the process ends anyway (its workers end with it)
_STOP_SECONDS = 5.0
#: between looks whether the state folder is still there
_LOOK_SECONDS = 2.0
#: new objects until Python looks for garbage among them; a request makes some thousands
_YOUNG_OBJECTS = 10_000
log = logging.getLogger("local_region")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 after an orderly end; 1 with one line on stderr when the region can't start."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=options.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for noisy in ("botocore", "boto3", "urllib3", "werkzeug", "samtranslator"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    config = RegionConfig(
        host=options.host,
        port=options.port,
        state_dir=options.state_dir.resolve(),
        region_name=options.region,
        account_id=options.account_id,
        retry_delays=tuple(options.retry_delay) if options.retry_delay else RegionConfig.retry_delays,
        function_idle_seconds=options.function_idle_seconds,
    )
    return serve(config)


def serve(config: RegionConfig) -> int:
    give_memory_back()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        state = StateFolder(config.state_dir)
        state.claim()
    except (StartupError, OSError) as error:
        print(f"The local region can't start: {error}", file=sys.stderr)
        return 1
    try:
        return _run(config, state, stop)
    finally:
        state.release()


def _run(config: RegionConfig, state: StateFolder, stop: threading.Event) -> int:
    # Bodies and objects beyond a bound go to files; they belong to this region and go with it.
    os.environ["TMPDIR"] = str(state.fresh_tmp())
    tempfile.tempdir = None
    from local_region.region import OWNER_KEY, OWNER_SECRET, LocalRegion

    try:
        region = LocalRegion(config)
        region.start()
    except StartupError as error:
        print(f"The local region can't start: {error}", file=sys.stderr)
        return 1
    _keep_loaded()
    state.publish(
        {
            "endpoint": config.endpoint,
            "pid": os.getpid(),
            "port": config.port,
            "region": config.region_name,
            "account_id": config.account_id,
            "access_key_id": OWNER_KEY,
            "secret_access_key": OWNER_SECRET,
            "started_at": datetime.now(UTC).isoformat(),
        }
    )
    while not stop.wait(_LOOK_SECONDS):
        if not state.is_there():
            # Objects and workers live in it; and `sluice down` would no longer find this process.
            log.error("the state folder %s was deleted: the region ends", config.state_dir)
            break
    log.info("stopping")
    state.unpublish()
    _stop(region.stop)
    return 0


def _keep_loaded() -> None:
    """What is loaded by now stays: looking through it for garbage would stop every request for a tenth of a second."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 10, 10)


def _stop(stop: Callable[[], None]) -> None:
    thread = threading.Thread(target=stop, name="stop", daemon=True)
    thread.start()
    thread.join(_STOP_SECONDS)
    if thread.is_alive():
        log.warning("parts of the region did not stop within %s s and are ended with it", _STOP_SECONDS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_region", description="AWS on this machine, for Sluicegate.")
    commands = parser.add_subparsers(required=True)
    serve_command = commands.add_parser("serve", help="run the region in the foreground")
    add = serve_command.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    add("--port", type=_port, default=4566)
    add("--state-dir", type=Path, default=Path(os.environ.get("SLUICE_STATE_DIR", ".sluice")))
    add("--region", default="us-east-1", help="the AWS region's name that it goes by")
    add("--account-id", default="123456789012", type=_account)
    add("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    add("--retry-delay", type=float, action="append", help="seconds before a retry of an asynchronous call; repeatable")
    add("--function-idle-seconds", type=float, default=RegionConfig.function_idle_seconds)
    return parser


def _port(text: str) -> int:
    if text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text!r}")


def _account(text: str) -> str:
    if text.isdigit() and len(text) == 12:
        return text
    raise argparse.ArgumentTypeError(f"an account id has 12 digits, unlike {text!r}")
