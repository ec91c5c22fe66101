"""What the region uses of moto beyond its documented API: a moto that changes it fails here, not in a user's hands."""

from __future__ import annotations

import inspect
import re
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("moto", minversion="5.2")


def test_the_server_module_offers_what_the_gate_uses() -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    dispatcher = DomainDispatcherApplication(create_backend_app)
    assert dispatcher.infer_service_region_host({"HTTP_AUTHORIZATION": ""}, "/bucket/key") is None
    signed = {
        "HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 Credential=AK/20261122/us-east-1/sqs/aws4_request, SignedHeaders=host",
        "PATH_INFO": "/",
    }
    assert dispatcher.infer_service_region_host(signed, "/") == "sqs.us-east-1.amazonaws.com"
    url = "http://sqs.us-east-1.amazonaws.com"
    assert next(name for name, pattern in dispatcher.backend_url_patterns if pattern.match(url)) == "sqs"


def test_objects_lie_in_the_files_that_the_region_gives() -> None:
    from moto.s3 import models

    source = inspect.getsource(models)
    assert set(re.findall(r"\btempfile\.(\w+)", source)) == {"SpooledTemporaryFile"}
    assert list(inspect.signature(models.FakeMultipart.complete).parameters) == ["self", "body"]
    assert {"lock", "_value_buffer", "_max_buffer_size", "_etag", "multipart"} <= set(
        re.findall(r"self\.(\w+)", inspect.getsource(models.FakeKey))
    )


def test_all_of_s3s_notices_go_through_one_function() -> None:
    from moto.s3 import models, notifications

    # Called through the module, so that replacing it there replaces it everywhere.
    assert "notifications.send_event(" in inspect.getsource(models)
    assert not re.search(r"from .*notifications import .*send_event", inspect.getsource(models))
    names = {event.value for event in notifications.S3NotificationEvent}
    assert {
        "s3:ObjectCreated:Put",
        "s3:ObjectCreated:Post",
        "s3:ObjectCreated:Copy",
        "s3:ObjectCreated:CompleteMultipartUpload",
        "s3:ObjectRemoved:Delete",
    } <= names
    parameters = list(inspect.signature(models.S3Backend.delete_object).parameters)
    assert parameters[:3] == ["self", "bucket_name", "key_name"]
    assert "self.delete_object(" in inspect.getsource(models.S3Backend.delete_objects)


def test_parsers_and_serializers() -> None:
    from moto.core.parse import PROTOCOL_PARSERS
    from moto.core.serialize import get_serializer_class

    for protocol in ("json", "rest-json", "query", "ec2"):
        assert "timestamp_parser" in inspect.signature(PROTOCOL_PARSERS[protocol]).parameters
        assert hasattr(get_serializer_class("any", protocol), "serialize")


def test_the_environ_key_of_true_header_names() -> None:
    from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY

    from local_region.front.server import _TRUE_NAMES

    assert _TRUE_NAMES == PRESERVED_HEADER_NAMES_ENVIRON_KEY


def test_waitress_is_put_together_as_the_server_expects() -> None:
    from waitress.channel import HTTPChannel
    from waitress.parser import HTTPRequestParser
    from waitress.task import ThreadedTaskDispatcher, WSGITask

    assert {"task_class", "parser_class"} <= set(vars(HTTPChannel))
    assert hasattr(HTTPRequestParser, "parse_header")
    assert {"get_environment", "build_response_header"} <= set(dir(WSGITask))
    made = ThreadedTaskDispatcher()
    assert (made.active_count, made.stop_count, len(made.threads), len(made.queue)) == (0, 0, 0, 0)


def test_moto_takes_the_time_from_the_region() -> None:
    from moto.cloudwatch import models as cloudwatch
    from moto.core import utils
    from moto.s3.models import FakeKey
    from moto.sqs.models import Message

    from local_region.clock import RegionClock
    from local_region.stores.moto_time import follow

    before = vars(utils)["datetime"]
    clock = RegionClock()
    clock.move_ahead(timedelta(days=3))
    try:
        follow(clock)
        expected = clock.now()
        message = Message("id", "body")
        message.mark_sent()
        message.change_visibility(30)
        key = FakeKey("k", b"v", "123456789012", "us-east-1")
        for at in (
            utils.utcnow().replace(tzinfo=UTC),
            datetime.fromtimestamp(utils.unix_time(), UTC),
            datetime.fromtimestamp((message.sent_timestamp or 0) / 1000, UTC),
            datetime.fromtimestamp(message.visible_at / 1000 - 30, UTC),
            key.last_modified.replace(tzinfo=UTC),
            vars(cloudwatch)["utcnow"]().replace(tzinfo=UTC),
        ):
            assert abs(at - expected) < timedelta(minutes=1)
        assert type(utils.utcnow()) is datetime, "moto's state holds no datetimes of ours"
        assert not message.visible
        clock.move_ahead(timedelta(days=3, seconds=31))
        assert message.visible
    finally:
        vars(utils)["datetime"] = before
