"""The front's pure parts: hosts, signatures, errors, models, validation."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any, ClassVar
from xml.etree import ElementTree

import pytest

from local_region.clock import SystemClock
from local_region.front.errors import not_implemented, render
from local_region.front.hosts import execute_api, is_allowed, split_host, virtual_bucket
from local_region.front.models import ServiceDescription, cut
from local_region.front.operations import Operations, protocol_of, service_of
from local_region.front.recent import RecentEvents
from local_region.front.request import Incoming
from local_region.front.signing import Scope, scope_of
from local_region.front.validation import violations
from local_region.ports import AwsError


def request(method: str = "GET", path: str = "/", query: str = "", body: bytes = b"", **headers: str) -> Incoming:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "RAW_URI": path + ("?" + query if query else ""),
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    for name, value in headers.items():
        key = name.upper()
        environ[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = value
    return Incoming(environ)


def signed(service: str) -> str:
    return f"AWS4-HMAC-SHA256 Credential=AK/20261122/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=0"


class TestHosts:
    @pytest.mark.parametrize(
        "header", ["localhost", "localhost:4566", "a.b.localhost", "127.0.0.1:80", "127.9.9.9", "[::1]:4566", "::1"[:0]]
    )
    def test_loopback_is_allowed(self, header: str) -> None:
        assert is_allowed(header, "127.0.0.1")

    @pytest.mark.parametrize(
        "header", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "notlocalhost"]
    )
    def test_the_rest_is_not(self, header: str) -> None:
        assert not is_allowed(header, "127.0.0.1")

    def test_the_bound_host_is_allowed(self) -> None:
        assert is_allowed("box.lan:4566", "box.lan")

    def test_no_header_is_no_browser(self) -> None:
        assert is_allowed(None, "127.0.0.1")

    def test_splitting(self) -> None:
        assert [split_host(text) for text in ("A.B:1", "[fe80::1]:2", "x.")] == ["a.b", "fe80::1", "x"]

    def test_buckets_in_names(self) -> None:
        found = [virtual_bucket(f"{name}localhost:1") for name in ("b.", "b.s3.", "a.b.", "s3.", "")]
        assert found == ["b", "b", "a.b", None, None]

    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            ("a1.execute-api.localhost:4566", True),
            ("a1.execute-api.us-east-1.localhost", True),
            ("execute-api.localhost", False),
            ("a1.execute-api.evil.example", False),
            ("a1.execute-api.x.y.localhost", False),
            ("bucket.localhost", False),
            ("localhost", False),
        ],
    )
    def test_apis_in_names(self, header: str, expected: bool) -> None:
        assert execute_api(header) is expected


class TestSigning:
    def test_header(self) -> None:
        assert scope_of(signed("s3"), "") == Scope("AK", "eu-west-1", "s3")

    def test_presigned(self) -> None:
        query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20261122%2Feu-west-1%2Fs3%2Faws4_request"
        assert scope_of(None, query) == Scope("AK", "eu-west-1", "s3")

    def test_version_2(self) -> None:
        assert scope_of("AWS AK:signature", "") == Scope("AK", None, "s3")
        assert scope_of(None, "AWSAccessKeyId=AK&Signature=x&Expires=1") == Scope("AK", None, "s3")

    @pytest.mark.parametrize("header", [None, "Bearer x", "AWS4-HMAC-SHA256 Credential=broken"])
    def test_nothing_known(self, header: str | None) -> None:
        assert scope_of(header, "X-Amz-Credential=broken") == Scope() or header is None


class TestErrors:
    ERROR = AwsError("SomeCode", "a <message> & more", 409, {"Extra": 1})

    def test_json(self) -> None:
        status, headers, body = render(self.ERROR, "json", "id")
        assert status == 409
        assert json.loads(body) == {"__type": "SomeCode", "message": "a <message> & more", "Extra": 1}
        assert dict(headers)["x-amzn-RequestId"] == "id"

    def test_rest_json(self) -> None:
        _, headers, body = render(self.ERROR, "rest-json", "id")
        assert dict(headers)["x-amzn-ErrorType"] == "SomeCode"
        assert json.loads(body)["message"] == "a <message> & more"

    @pytest.mark.parametrize(
        ("protocol", "path"), [("query", "Error/Code"), ("ec2", "Errors/Error/Code"), ("s3", "Code")]
    )
    def test_xml(self, protocol: str, path: str) -> None:
        _, _, body = render(self.ERROR, protocol, "id", "/bucket/<key>")
        assert ElementTree.fromstring(body).findtext(path) == "SomeCode"

    def test_what_is_missing_is_final(self) -> None:
        error = not_implemented("iot", "ListThings")
        assert (error.code, error.status) == ("NotImplemented", 501)
        assert "iot ListThings" in error.message


class TestModels:
    DOCUMENT: ClassVar[dict[str, Any]] = {
        "metadata": {"protocol": "json"},
        "operations": {"A": {"input": {"shape": "AIn"}}, "B": {"input": {"shape": "BIn"}}},
        "shapes": {
            "AIn": {"type": "structure", "members": {"documentation": {"shape": "S"}}, "documentation": "long"},
            "S": {"type": "string"},
            "BIn": {"type": "structure", "members": {}},
        },
    }

    def test_only_what_is_reached_stays(self) -> None:
        found = cut(self.DOCUMENT, {"A"})
        assert set(found["operations"]) == {"A"}
        assert found["shapes"] == {
            "AIn": {"type": "structure", "members": {"documentation": {"shape": "S"}}},
            "S": {"type": "string"},
        }

    def test_an_operation_that_botocore_has_not_is_a_mistake(self) -> None:
        with pytest.raises(ValueError, match="NoSuch"):
            ServiceDescription("sqs", {"SendMessage", "NoSuch"})

    @pytest.mark.parametrize(
        ("method", "path", "expected"),
        [
            ("POST", "/2015-03-31/functions/f/invocations", ("Invoke", {"FunctionName": "f"})),
            ("GET", "/2015-03-31/functions", ("ListFunctions", {})),
            ("GET", "/2015-03-31/functions/", ("ListFunctions", {})),
            ("GET", "/2015-03-31/functions/arn%3Aaws%3Ax", ("GetFunction", {"FunctionName": "arn:aws:x"})),
            ("GET", "/2018-10-31/layers/l/versions/3", ("GetLayerVersion", {"LayerName": "l", "VersionNumber": "3"})),
            ("GET", "/nothing/here", None),
        ],
    )
    def test_paths_find_operations(self, method: str, path: str, expected: Any) -> None:
        assert ServiceDescription("lambda", {"Invoke"}).match(method, path, {}) == expected


class TestValidation:
    @pytest.fixture
    def shape(self) -> Any:
        return ServiceDescription("sagemaker", {"CreateEndpointConfig"}).operation("CreateEndpointConfig").input_shape

    def config(self, **changes: Any) -> dict[str, Any]:
        variant = {"VariantName": "v1", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        return {"EndpointConfigName": "c", "ProductionVariants": [{**variant, **changes}]}

    def test_a_good_request_passes(self, shape: Any) -> None:
        assert violations(self.config(), shape) is None

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"VariantName": None}, "Value null at 'productionVariants.1.member.variantName' failed to satisfy "
             "constraint: Member must not be null"),
            ({"InitialInstanceCount": 0}, "Member must have value greater than or equal to 1"),
            ({"InstanceType": "ml.huge"}, "Member must satisfy enum value set: ["),
            ({"VariantName": "a b"}, "Member must satisfy regular expression pattern: "),
            ({"VariantName": "a" * 64}, "Member must have length less than or equal to 63"),
            ({"InitialInstanceCount": "1"}, "Member must be of type integer"),
            ({"InitialInstanceCount": True}, "Member must be of type integer"),
        ],
    )  # fmt: skip
    def test_what_breaks_the_model_is_said(self, shape: Any, changes: dict[str, Any], message: str) -> None:
        found = violations(self.config(**changes), shape)
        assert found is not None
        assert message in found

    def test_every_mistake_is_counted(self, shape: Any) -> None:
        found = violations({"EndpointConfigName": "", "ProductionVariants": []}, shape)
        assert found is not None
        assert found.startswith("2 validation errors detected: ")

    def test_times_are_times(self) -> None:
        shape = ServiceDescription("sagemaker", {"ListTrainingJobs"}).operation("ListTrainingJobs").input_shape
        assert violations({"CreationTimeAfter": datetime.now(UTC)}, shape) is None
        assert "of type timestamp" in str(violations({"CreationTimeAfter": "yesterday"}, shape))


class TestOperations:
    def test_services_and_protocols(self) -> None:
        logs = request("POST", X_AMZ_TARGET="Logs_20140328.PutLogEvents", AUTHORIZATION=signed("logs"))
        assert (service_of(logs), protocol_of(logs)) == ("logs", "json")
        form = "application/x-www-form-urlencoded"
        assert protocol_of(request("POST", CONTENT_TYPE=form, AUTHORIZATION=signed("sns"))) == "query"
        assert protocol_of(request("POST", CONTENT_TYPE=form, AUTHORIZATION=signed("ec2"))) == "ec2"
        assert protocol_of(request("GET", AUTHORIZATION=signed("iot"))) == "rest-json"
        assert (service_of(request()), protocol_of(request())) == ("s3", "s3")

    def test_json(self) -> None:
        asked = request(
            "POST",
            body=b'{"TableName": "t"}',
            X_AMZ_TARGET="DynamoDB_20120810.GetItem",
            AUTHORIZATION=signed("dynamodb"),
        )
        assert Operations().find(asked) == ("dynamodb", "GetItem", {"TableName": "t"})
        assert asked.environ["wsgi.input"].read() == b'{"TableName": "t"}'  # moto reads it again

    def test_query(self) -> None:
        asked = request(
            "POST",
            body=b"Action=CreateTopic&Version=2010-03-31&Name=t",
            CONTENT_TYPE="application/x-www-form-urlencoded",
            AUTHORIZATION=signed("sns"),
        )
        assert Operations().find(asked) == ("sns", "CreateTopic", {"Name": "t"})

    def test_s3(self) -> None:
        found = Operations().find(
            request("PUT", "/bucket/a/b", HTTP_HOST="x", X_AMZ_COPY_SOURCE="/other/k", AUTHORIZATION=signed("s3"))
        )
        assert found == ("s3", "CopyObject", {"Bucket": "bucket", "Key": "a/b", "CopySource": "/other/k"})

    def test_the_keys_of_a_deletion(self) -> None:
        body = b"<Delete><Object><Key>a</Key></Object><Object><Key>b/&amp;</Key></Object></Delete>"
        asked = request("POST", "/bucket", "delete", body, AUTHORIZATION=signed("s3"))
        service, operation, params = Operations().find(asked)
        assert (service, operation) == ("s3", "DeleteObjects")
        assert params["Delete"] == {"Objects": [{"Key": "a"}, {"Key": "b/&"}]}


def test_recent_events_are_numbered_and_handed_on() -> None:
    class Bus:
        seen: ClassVar[list[str]] = []

        def publish(self, source: str, detail_type: str, detail: Any, resources: Any = ()) -> None:
            self.seen.append(source)

    recent = RecentEvents(SystemClock())
    recent.bus = Bus()
    for number in range(3):
        recent.publish(f"s{number}", "type", {}, [])
    assert [event["number"] for event in recent.after(1)] == [2, 3]
    assert Bus.seen == ["s0", "s1", "s2"]


def test_a_body_beyond_the_limit_is_refused() -> None:
    with pytest.raises(AwsError) as caught:
        request("POST", body=b"x" * 11).body(10)
    assert caught.value.status == 413
