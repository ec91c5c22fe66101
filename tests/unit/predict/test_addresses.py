"""Where requests go, by the environment; held against boto3's own resolution."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from sluicegate.adapters.signed_http import S3, SAGEMAKER_RUNTIME, SECRETS_MANAGER, Origin, Service, SignedHttp

KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}


def address(environ: dict[str, str], service: Service, path: str = "/", bucket: str = "") -> str:
    origin, full_path = SignedHttp(KEYS | environ)._address(service, path, bucket)
    return origin.url.rstrip("/").removesuffix(origin.base) + full_path


@pytest.mark.parametrize(
    ("environ", "service", "wanted"),
    [
        ({"AWS_REGION": "eu-west-1"}, SAGEMAKER_RUNTIME, "https://runtime.sagemaker.eu-west-1.amazonaws.com/"),
        ({"AWS_REGION": "cn-north-1"}, SECRETS_MANAGER, "https://secretsmanager.cn-north-1.amazonaws.com.cn/"),
        ({"AWS_DEFAULT_REGION": "eu-west-3"}, SECRETS_MANAGER, "https://secretsmanager.eu-west-3.amazonaws.com/"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, SAGEMAKER_RUNTIME, "http://127.0.0.1:4566/"),
        (
            {"AWS_ENDPOINT_URL": "http://a:1", "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "http://b:2/base/"},
            SAGEMAKER_RUNTIME,
            "http://b:2/base/",
        ),
        (
            {
                "AWS_ENDPOINT_URL": "http://a:1",
                "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
                "AWS_REGION": "us-east-1",
            },
            SECRETS_MANAGER,
            "https://secretsmanager.us-east-1.amazonaws.com/",
        ),
    ],
)
def test_services(environ: dict[str, str], service: Service, wanted: str) -> None:
    assert address(environ, service) == wanted


@pytest.mark.parametrize(
    ("environ", "bucket", "wanted"),
    [
        ({"AWS_REGION": "eu-west-1"}, "data", "https://data.s3.eu-west-1.amazonaws.com/routing/m.json"),
        ({"AWS_REGION": "eu-west-1"}, "my.data", "https://s3.eu-west-1.amazonaws.com/my.data/routing/m.json"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, "data", "http://127.0.0.1:4566/data/routing/m.json"),
    ],
)
def test_buckets(environ: dict[str, str], bucket: str, wanted: str) -> None:
    assert address(environ, S3, "/routing/m.json", bucket) == wanted


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "ap-southeast-2", "cn-north-1"])
@pytest.mark.parametrize(
    ("name", "service"), [("sagemaker-runtime", SAGEMAKER_RUNTIME), ("secretsmanager", SECRETS_MANAGER)]
)
def test_the_hosts_are_those_of_boto3(region: str, name: str, service: Service) -> None:
    client: Any = botocore.session.get_session().create_client(name, region_name=region)
    assert address({"AWS_REGION": region}, service) == client.meta.endpoint_url + "/"


@pytest.mark.parametrize("url", ["127.0.0.1:4566", "ftp://host", "http://"])
def test_an_endpoint_that_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not an http"):
        Origin(url)
