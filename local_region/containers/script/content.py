"""Bodies to arrays and back, as AWS's framework containers do by default: JSON, CSV and NPY.

Source: sagemaker-containers, ``_encoders.py``; sagemaker-inference-toolkit, ``decoder.py`` and ``encoder.py``.
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
#: types whose numbers become 32-bit floats when decoded
TEXT_TYPES = (JSON, CSV)


class Unsupported(ValueError):
    """A content type that nothing here reads or writes: 415 on the way in, 406 on the way out."""


class BadBody(ValueError):
    """The body is not what its content type says; answered 400."""


def decode(body: bytes, content_type: str) -> np.ndarray[Any, Any]:
    """
    >>> decode(b"1,2", "text/csv").tolist()
    [1.0, 2.0]
    """
    try:
        if content_type == JSON:
            return np.array(json.loads(body))
        if content_type == CSV:
            return np.asarray(np.genfromtxt(io.StringIO(body.decode()), delimiter=","))
        if content_type == NPY:
            return np.asarray(np.load(io.BytesIO(body), allow_pickle=False))
    except (ValueError, EOFError) as error:
        raise BadBody(f"The body is no {content_type}: {error}") from error
    raise Unsupported(f"Content type {content_type} is not supported by this framework; it reads {_known()}.")


def encode(prediction: Any, accept: str) -> bytes:
    """
    >>> encode([[1, 2], [3, 4]], "text/csv")
    b'1,2\\n3,4\\n'
    """
    if accept == JSON:
        return json.dumps(prediction.tolist() if hasattr(prediction, "tolist") else prediction).encode()
    if accept == CSV:
        text = io.StringIO()
        np.savetxt(text, np.asarray(prediction), delimiter=",", fmt="%s")
        return text.getvalue().encode()
    if accept == NPY:
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(prediction), allow_pickle=False)
        return buffer.getvalue()
    raise Unsupported(f"Accept {accept} is not supported by this framework; it writes {_known()}.")


def _known() -> str:
    return ", ".join((JSON, CSV, NPY))
