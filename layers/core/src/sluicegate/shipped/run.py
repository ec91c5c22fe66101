"""Runs the entry point as AWS's toolkit would, then leaves the code beside the model.

So the artifact serves by itself: ``model.tar.gz`` has ``code/``, which is where the PyTorch container looks, and where
``SAGEMAKER_SUBMIT_DIRECTORY=/opt/ml/model/code`` sends the others. Files that the script put there itself stay.
"""

import io
import os
import runpy
import shutil
import sys
from pathlib import Path


def main() -> None:
    entry, code = os.environ["SLUICEGATE_ENTRY_POINT"], Path.cwd()
    sys.argv[0] = entry
    sys.path.insert(0, str((code / entry).parent))
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Python writes unbuffered here: print("score:", x) would be three writes, which the toolkit may log as three
        # lines, and no expression of a metric finds its number then
        sys.stdout.reconfigure(line_buffering=True, write_through=False)
    try:
        runpy.run_path(entry, run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            # the toolkit takes only errors that it knows into the job's FailureReason
            raise RuntimeError(end.code) from None
        if end.code not in (None, 0):
            raise
    target = Path(os.environ["SM_MODEL_DIR"]) / "code"
    for source in sorted(code.rglob("*")):
        place = target / source.relative_to(code)
        if source.is_file() and "__pycache__" not in source.parts and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place)


if __name__ == "__main__":
    main()
