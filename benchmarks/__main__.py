"""``python -m benchmarks [NAME …]``: the scripts of this folder, one after the other, and their lines in one table."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def main() -> int:
    known = {path.stem: path for path in sorted(FOLDER.glob("*.py")) if not path.name.startswith("_")}
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and print one table.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these; there are {', '.join(known)}")
    names = parser.parse_args().names
    if unknown := sorted(set(names) - set(known)):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(known)}")
    scripts = [known[name] for name in names or known]
    rows, failed = [], []
    for script in scripts:
        print(f"running {script.name} …", file=sys.stderr, flush=True)
        began = time.monotonic()
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
        took = f"{time.monotonic() - began:.0f} s"
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        if done.returncode != 0:
            failed.append(script.name)
            lines.append(
                f"ended with {done.returncode}: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
            )
        rows += [(script.stem if n == 0 else "", line, took if n == 0 else "") for n, line in enumerate(lines)]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")
    width = max((len(name) for name, _, _ in rows), default=0)
    for name, line, took in rows:
        print(f"{name:<{width}}  {line}" + (f"  [{took}]" if took else ""))
    if failed:
        print(f"failed, or below their goal: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
