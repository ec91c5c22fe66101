"""The four functions of a script, each the user's own or the framework container's default.

``model_fn(model_dir)``, ``input_fn(body, content_type)``, ``predict_fn(input, model)``, ``output_fn(prediction,
accept)``; ``transform_fn(model, body, content_type, accept)`` takes the place of the last three.
Defaults as documented in the SageMaker Python SDK's pages on scikit-learn, XGBoost and PyTorch ("Load a Model",
"Serve a Model").
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from local_region.containers.script import content

Function = Callable[..., Any]


class NoModelFunction(Exception):
    """The script lacks what the framework has no default for."""


@dataclass(frozen=True)
class Answer:
    """A body, and the content type that it has."""

    body: bytes
    content_type: str


class Functions:
    """``load`` once, then ``respond`` for each request."""

    def __init__(self, framework: str, module: ModuleType | None) -> None:
        self._framework, self._module = framework, module
        own = {
            name: getattr(module, name, None)
            for name in ("model_fn", "input_fn", "predict_fn", "output_fn", "transform_fn", "execution_parameters_fn")
        }
        if own["transform_fn"] and any(own[name] for name in ("input_fn", "predict_fn", "output_fn")):
            raise NoModelFunction("transform_fn takes the place of input_fn, predict_fn and output_fn: keep one kind.")
        defaults = _torch_defaults() if framework == "pytorch" else _defaults(framework)
        self._functions: dict[str, Function | None] = {
            name: function or defaults.get(name) for name, function in own.items()
        }
        self._model: Any = None

    def load(self, model_dir: Path) -> None:
        self._model = self._call("model_fn", str(model_dir))

    def execution_parameters(self) -> Any:
        """What the script proposes for batch transforms; None when it says nothing."""
        function = self._functions["execution_parameters_fn"]
        return None if function is None else function()

    def respond(self, body: bytes, content_type: str, accept: str) -> Answer:
        """``Incoming``: nothing reads the content type. ``Outgoing``: nothing writes ``accept``."""
        given: Any = body.decode() if content_type in content.TEXT_TYPES and _utf8(body) else body
        if self._functions["transform_fn"] is not None:
            return _answer(self._call("transform_fn", self._model, given, content_type, accept), accept)
        try:
            data = self._call("input_fn", given, content_type)
        except content.Unsupported as error:
            raise Incoming(str(error)) from error
        prediction = self._call("predict_fn", data, self._model)
        try:
            return _answer(self._call("output_fn", prediction, accept), accept)
        except content.Unsupported as error:
            raise Outgoing(str(error)) from error

    def _call(self, name: str, *arguments: Any) -> Any:
        function = self._functions[name]
        if function is None:
            raise NoModelFunction(
                f"{self._module.__name__ if self._module else 'the script'} has no {name}, "
                f"and the {self._framework} container has no default for it."
            )
        if self._framework == "pytorch" and _takes(function) > len(arguments):
            return function(*arguments, None)  # its functions may ask for TorchServe's context
        return function(*arguments)


class Incoming(ValueError):
    """No function reads the content type: 415."""


class Outgoing(ValueError):
    """No function writes what is accepted: 406."""


def _utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _takes(function: Function) -> int:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 0
    return sum(each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD for each in parameters)


def _answer(result: Any, accept: str) -> Answer:
    """What ``output_fn`` may give back: a body, a body with its type, or a Flask/Werkzeug response."""
    if isinstance(result, Answer):
        return result
    if isinstance(result, tuple) and len(result) == 2:
        body, content_type = result
        return Answer(_bytes(body), str(content_type))
    if hasattr(result, "get_data"):
        return Answer(result.get_data(), str(getattr(result, "mimetype", None) or accept))
    return Answer(_bytes(result), accept)


def _bytes(body: Any) -> bytes:
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    raise TypeError(f"output_fn gave a {type(body).__name__}; it must give text, bytes or (body, content type)")


def _defaults(framework: str) -> dict[str, Function]:
    def input_fn(body: str | bytes, content_type: str) -> Any:
        raw = body.encode() if isinstance(body, str) else body
        if framework == "xgboost":
            return _matrix(raw, content_type)
        array = content.decode(raw, content_type)
        return array.astype("float32") if content_type in content.TEXT_TYPES else array

    def predict_fn(data: Any, model: Any) -> Any:
        return model.predict(data, validate_features=False) if framework == "xgboost" else model.predict(data)

    def output_fn(prediction: Any, accept: str) -> Answer:
        return Answer(content.encode(prediction, accept), accept)

    return {"input_fn": input_fn, "predict_fn": predict_fn, "output_fn": output_fn}


def _matrix(body: bytes, content_type: str) -> Any:
    """An ``xgboost.DMatrix`` of CSV or libsvm, as the container's encoder makes it."""
    import xgboost

    from local_region.containers.common.errors import UserError
    from local_region.containers.xgboost.content import Kind
    from local_region.containers.xgboost.payload import parse

    readers: dict[str, Kind] = {content.CSV: "csv", "text/libsvm": "libsvm", "text/x-libsvm": "libsvm"}
    if content_type not in readers:
        raise content.Unsupported(
            f"Content type {content_type} is not supported by this framework; it reads {', '.join(readers)}."
        )
    try:
        rows = parse(body, readers[content_type])
        return xgboost.DMatrix(rows.matrix(rows.columns))
    except UserError as error:
        raise content.BadBody(str(error)) from error


def _torch_defaults() -> dict[str, Function]:
    def model_fn(model_dir: str) -> Any:
        import torch

        path = Path(model_dir) / "model.pth"
        if not path.exists():
            path = Path(model_dir) / "model.pt"
        if not path.exists():
            raise NoModelFunction("Without model_fn, the archive must hold a TorchScript model: model.pth or model.pt.")
        model = torch.jit.load(str(path), map_location="cpu")
        model.eval()
        return model

    def input_fn(body: str | bytes, content_type: str) -> Any:
        import torch

        array = content.decode(body.encode() if isinstance(body, str) else body, content_type)
        return torch.FloatTensor(array) if content_type in content.TEXT_TYPES else torch.from_numpy(array)

    def predict_fn(data: Any, model: Any) -> Any:
        import torch

        with torch.no_grad():
            return model(data)

    def output_fn(prediction: Any, accept: str) -> Answer:
        if hasattr(prediction, "detach"):
            prediction = prediction.detach().cpu().numpy()
        return Answer(content.encode(prediction, accept), accept)

    return {"model_fn": model_fn, "input_fn": input_fn, "predict_fn": predict_fn, "output_fn": output_fn}
