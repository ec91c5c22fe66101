"""Serving a script: whose function is called, with what, and what HTTP says of each failure."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from local_region.containers.script import content, serve
from local_region.containers.script.functions import Functions, Incoming, NoModelFunction, Outgoing


class Doubling:
    def predict(self, data: Any, **_: Any) -> Any:
        return np.asarray(data).sum(axis=-1) * 2


def module(**functions: Any) -> ModuleType:
    made = ModuleType("script")
    vars(made).update(functions)
    return made


def loaded(framework: str = "sklearn", **functions: Any) -> Functions:
    found = Functions(framework, module(**{"model_fn": lambda _dir: Doubling(), **functions}))
    found.load(Path("/nowhere"))
    return found


def call(app: serve.App, path: str, body: bytes = b"", **environ: str) -> tuple[int, bytes, str]:
    seen: list[Any] = []
    request = {
        "PATH_INFO": path,
        "REQUEST_METHOD": "POST" if body else "GET",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **environ,
    }
    answer = b"".join(app(request, lambda status, headers: seen.append((status, dict(headers)))))
    return int(seen[0][0].split()[0]), answer, seen[0][1]["Content-Type"]


def test_defaults_read_and_write_json_csv_and_npy() -> None:
    functions = loaded()
    assert functions.respond(b"[[1, 2], [3, 4]]", content.JSON, content.JSON).body == b"[6.0, 14.0]"
    assert functions.respond(b"1,2\n3,4\n", content.CSV, content.CSV).body.split() == [b"6.0", b"14.0"]
    npy = io.BytesIO()
    np.save(npy, np.array([[1, 2]]))
    assert np.load(io.BytesIO(functions.respond(npy.getvalue(), content.NPY, content.NPY).body)).tolist() == [6]


def test_text_comes_as_text_and_the_rest_as_bytes() -> None:
    seen: list[Any] = []

    def input_fn(body: Any, content_type: str) -> Any:
        seen.append((body, content_type))
        return [[1.0]]

    functions = loaded(input_fn=input_fn)
    functions.respond(b"1", content.CSV, content.JSON)
    functions.respond(b"\x00", "image/png", content.JSON)
    assert seen == [("1", content.CSV), (b"\x00", "image/png")]


def test_own_functions_win_and_may_answer_with_a_type() -> None:
    functions = loaded(output_fn=lambda prediction, accept: (f"{prediction.tolist()} as {accept}", "text/plain"))
    answer = functions.respond(b"1,2", content.CSV, "text/html")
    assert (answer.body, answer.content_type) == (b"6.0 as text/html", "text/plain")
    transform = loaded(transform_fn=lambda model, body, kind, accept: f"{type(model).__name__} {body} {kind} {accept}")
    assert transform.respond(b"x", "text/csv", "a/b").body == b"Doubling x text/csv a/b"
    with pytest.raises(NoModelFunction, match="keep one kind"):
        Functions("sklearn", module(transform_fn=print, predict_fn=print))


def test_what_no_function_reads_or_writes() -> None:
    functions = loaded()
    with pytest.raises(Incoming, match=r"text/xml is not supported.*application/json, text/csv, application/x-npy"):
        functions.respond(b"<a/>", "text/xml", content.JSON)
    with pytest.raises(Outgoing, match="text/xml"):
        functions.respond(b"1", content.CSV, "text/xml")
    with pytest.raises(content.BadBody, match="no application/json"):
        functions.respond(b"{", content.JSON, content.JSON)
    with pytest.raises(content.BadBody, match=r"Object arrays|pickle"):
        npy = io.BytesIO()
        np.save(npy, np.array([{}], dtype=object), allow_pickle=True)
        functions.respond(npy.getvalue(), content.NPY, content.JSON)


def test_without_model_fn_a_script_is_refused_but_for_pytorch(tmp_path: Path) -> None:
    with pytest.raises(NoModelFunction, match="has no model_fn, and the sklearn container has no default"):
        Functions("sklearn", module()).load(tmp_path)
    pytest.importorskip("torch")
    with pytest.raises(NoModelFunction, match=r"model\.pth or model\.pt"):
        Functions("pytorch", None).load(tmp_path)


def test_xgboosts_default_takes_a_matrix() -> None:
    seen: list[Any] = []

    class Model:
        def predict(self, data: Any, validate_features: bool) -> Any:
            seen.append((type(data).__name__, data.num_row(), data.num_col(), validate_features))
            return np.array([0.5])

    functions = loaded("xgboost", model_fn=lambda _: Model())
    assert functions.respond(b"1,2,3", content.CSV, content.JSON).body == b"[0.5]"
    functions.respond(b"0 1:2 2:3", "text/libsvm", content.JSON)
    assert seen[0] == ("DMatrix", 1, 3, False)
    assert seen[1][:2] == ("DMatrix", 1)


def test_http_says_what_happened() -> None:
    app = serve.App(loaded(), content.JSON)
    assert call(app, "/ping")[0] == 200
    assert call(app, "/execution-parameters")[0] == 404
    assert call(app, "/elsewhere")[0] == 404
    assert call(app, "/invocations")[0] == 405
    assert call(app, "/invocations", b"[[1]]") == (200, b"[2.0]", content.JSON)
    given = {"CONTENT_TYPE": "text/csv; charset=utf-8", "HTTP_ACCEPT": "text/csv, */*"}
    assert call(app, "/invocations", b"1,2\n3,4", **given) == (200, b"6.0\n14.0\n", content.CSV)
    for status, headers in (
        (415, {"CONTENT_TYPE": "text/xml"}),
        (406, {"CONTENT_TYPE": "text/csv", "HTTP_ACCEPT": "text/xml"}),
        (400, {"CONTENT_TYPE": "application/x-npy"}),
    ):
        code, body, _ = call(app, "/invocations", b"1,2", **headers)
        assert code == status
        assert json.loads(body)["error-message"]


def test_a_scripts_own_failure_is_500_and_its_proposals_are_passed_on() -> None:
    def predict_fn(_data: Any, _model: Any) -> Any:
        raise RuntimeError("no such column")

    app = serve.App(loaded(predict_fn=predict_fn, execution_parameters_fn=lambda: {"MaxPayloadInMB": 1}), content.JSON)
    status, body, _ = call(app, "/invocations", b"[[1]]")
    assert status == 500
    assert json.loads(body)["error-message"] == "no such column"
    assert "predict_fn" in json.loads(body)["stack-trace"]
    assert call(app, "/execution-parameters") == (200, b'{"MaxPayloadInMB": 1}', content.JSON)
