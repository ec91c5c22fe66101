"""Stacks on a real region, asked for with boto3, and looked at through the services they are made of."""

# ruff: noqa: E501  (templates and long answers stay on one line)

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.region import RunningRegion, wait_for

Json = dict[str, Any]

BACKING: Json = {
    "Parameters": {"Delay": {"Type": "Number", "Default": 0, "MaxValue": 900}},
    "Resources": {
        "Data": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "BucketEncryption": {
                    "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
                },
                "PublicAccessBlockConfiguration": {"BlockPublicAcls": "true", "BlockPublicPolicy": True},
                "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
                "VersioningConfiguration": {"Status": "Suspended"},
                "LifecycleConfiguration": {
                    "Rules": [{"Id": "old", "Status": "Enabled", "Prefix": "tmp/", "ExpirationInDays": "7"}]
                },
                "CorsConfiguration": {
                    "CorsRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "MaxAge": "60"}]
                },
                "Tags": [{"Key": "team", "Value": "data"}],
            },
        },
        "DataPolicy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": {"Ref": "Data"},
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Deny",
                            "Principal": "*",
                            "Action": "s3:PutObjectAcl",
                            "Resource": {"Fn::Sub": "${Data.Arn}/*"},
                        }
                    ],
                },
            },
        },
        "Items": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "SSESpecification": {"SSEEnabled": True},
            },
        },
        "Dead": {"Type": "AWS::SQS::Queue"},
        "Work": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "DelaySeconds": {"Ref": "Delay"},
                "VisibilityTimeout": 90,
                "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 3},
            },
        },
        "WorkPolicy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "Work"}],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}],
                },
            },
        },
        "Alarms": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": "alarms"}},
        "AlarmQueue": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "Alarms"},
                "Protocol": "sqs",
                "Endpoint": {"Fn::GetAtt": ["Work", "Arn"]},
                "RawMessageDelivery": True,
            },
        },
        "Created": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": {"source": ["aws.s3"], "detail": {"bucket": {"name": [{"Ref": "Data"}]}}},
                "State": "DISABLED",
                "Targets": [{"Id": "work", "Arn": {"Fn::GetAtt": ["Work", "Arn"]}}],
            },
        },
        "Tooold": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "Namespace": "AWS/SQS",
                "MetricName": "ApproximateAgeOfOldestMessage",
                "Dimensions": [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["Work", "QueueName"]}}],
                "Statistic": "Maximum",
                "Period": "60",
                "EvaluationPeriods": "1",
                "Threshold": "300",
                "ComparisonOperator": "GreaterThanThreshold",
                "AlarmActions": [{"Ref": "Alarms"}],
            },
        },
        "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 14}},
        "Board": {"Type": "AWS::CloudWatch::Dashboard", "Properties": {"DashboardBody": '{"widgets": []}'}},
        "Secret": {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {
                "GenerateSecretString": {
                    "SecretStringTemplate": '{"user": "me"}',
                    "GenerateStringKey": "password",
                    "PasswordLength": 24,
                }
            },
        },
        "Setting": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "Work"}}},
        "Key": {"Type": "AWS::KMS::Key", "Properties": {"EnableKeyRotation": True, "Description": "k"}},
        "Wait": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
    },
    "Outputs": {
        "Bucket": {"Value": {"Ref": "Data"}},
        "Work": {"Value": {"Ref": "Work"}},
        "Items": {"Value": {"Fn::GetAtt": ["Items", "Arn"]}},
        "Secret": {"Value": {"Ref": "Secret"}},
    },
}


@pytest.fixture
def name(region: RunningRegion) -> Iterator[str]:
    chosen = f"s{uuid.uuid4().hex[:8]}"
    yield chosen
    region.client("cloudformation").delete_stack(StackName=chosen)


def deploy(region: RunningRegion, name: str, template: Json, kind: str = "create", **more: Any) -> Json:
    client = region.client("cloudformation")
    getattr(client, f"{kind}_stack")(StackName=name, TemplateBody=json.dumps(template), **more)

    def settled() -> Json | None:
        stack: Json = client.describe_stacks(StackName=name)["Stacks"][0]
        return None if stack["StackStatus"].endswith("IN_PROGRESS") else stack

    return wait_for(settled, 20, f"the end of {kind} {name}")


def outputs(stack: Json) -> dict[str, str]:
    return {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}


def failures(region: RunningRegion, name: str) -> list[str]:
    events = region.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    return [event.get("ResourceStatusReason", "") for event in events if "FAILED" in event["ResourceStatus"]]


def test_every_property_reaches_its_service(region: RunningRegion, name: str) -> None:
    stack = deploy(region, name, BACKING)
    assert stack["StackStatus"] == "CREATE_COMPLETE", failures(region, name)
    found = outputs(stack)
    s3, bucket = region.client("s3"), found["Bucket"]
    assert bucket.startswith(f"{name}-data-")
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]["Expiration"] == {"Days": 7}
    number = region.last_event()
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    assert wait_for(lambda: [event["detail-type"] for event in region.events_after(number)]) == ["Object Created"]
    s3.delete_object(Bucket=bucket, Key="a")
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]["BlockPublicAcls"] is True
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"][0]["MaxAgeSeconds"] == 60
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"][0]["Effect"] == "Deny"
    table = found["Items"].rsplit("/", 1)[-1]
    ttl = region.client("dynamodb").describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert (ttl["AttributeName"], ttl["TimeToLiveStatus"]) == ("expires", "ENABLED")
    queue = region.client("sqs").get_queue_attributes(QueueUrl=found["Work"], AttributeNames=["All"])["Attributes"]
    assert queue["VisibilityTimeout"] == "90"
    assert json.loads(queue["RedrivePolicy"])["maxReceiveCount"] in (3, "3")
    alarm = region.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{name}-Tooold")["MetricAlarms"][0]
    assert (alarm["Threshold"], alarm["Period"]) == (300.0, 60)
    secret = json.loads(region.client("secretsmanager").get_secret_value(SecretId=found["Secret"])["SecretString"])
    assert secret["user"] == "me"
    assert len(secret["password"]) == 24
    rule = region.client("events").list_rules(NamePrefix=f"{name}-Created")["Rules"][0]
    assert rule["State"] == "DISABLED"


def test_update_in_place_replaces_and_removes(region: RunningRegion, name: str) -> None:
    before = outputs(deploy(region, name, BACKING))
    changed = json.loads(json.dumps(BACKING))
    del changed["Resources"]["Board"]
    changed["Resources"]["Items"]["Properties"]["KeySchema"][0]["AttributeName"] = "id"
    changed["Resources"]["Items"]["Properties"]["AttributeDefinitions"][0]["AttributeName"] = "id"
    stack = deploy(region, name, changed, "update", Parameters=[{"ParameterKey": "Delay", "ParameterValue": "5"}])
    assert stack["StackStatus"] == "UPDATE_COMPLETE", failures(region, name)
    after = outputs(stack)
    assert after["Bucket"] == before["Bucket"]
    assert after["Items"] != before["Items"]
    queue = region.client("sqs").get_queue_attributes(QueueUrl=after["Work"], AttributeNames=["DelaySeconds"])
    assert queue["Attributes"]["DelaySeconds"] == "5"
    tables = region.client("dynamodb").list_tables()["TableNames"]
    assert before["Items"].rsplit("/", 1)[-1] not in tables
    assert not region.client("cloudwatch").list_dashboards(DashboardNamePrefix=f"{name}-Board")["DashboardEntries"]


def test_failed_create_leaves_nothing_behind(region: RunningRegion, name: str) -> None:
    template = {
        "Resources": {
            "First": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"{name}-first"}},
            "Second": {
                "Type": "AWS::IAM::Role",
                "DependsOn": "First",
                "Properties": {
                    "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
                    "ManagedPolicyArns": ["arn:aws:iam::aws:policy/NoSuchPolicyAnywhere"],
                },
            },
        }
    }
    stack = deploy(region, name, template, Capabilities=["CAPABILITY_IAM"])
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert any("NoSuchPolicyAnywhere" in reason for reason in failures(region, name)), failures(region, name)
    assert "QueueUrls" not in region.client("sqs").list_queues(QueueNamePrefix=f"{name}-first")
    roles = region.client("iam").list_roles()["Roles"]
    assert not [role for role in roles if role["RoleName"].startswith(name)]


def test_failed_update_goes_back(region: RunningRegion, name: str) -> None:
    template: Json = {
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": 1}},
            "Group": {"Type": "AWS::Logs::LogGroup", "DependsOn": "Queue"},
        },
        "Outputs": {"Url": {"Value": {"Ref": "Queue"}}},
    }
    url = outputs(deploy(region, name, template))["Url"]
    template["Resources"]["Queue"]["Properties"]["DelaySeconds"] = 9
    template["Resources"]["Extra"] = {"Type": "AWS::SQS::Queue", "DependsOn": "Queue"}
    template["Resources"]["Bad"] = {
        "Type": "AWS::S3::BucketPolicy",
        "DependsOn": "Extra",
        "Properties": {
            "Bucket": f"{name}-no-such-bucket",
            "PolicyDocument": {"Version": "2012-10-17", "Statement": []},
        },
    }
    stack = deploy(region, name, template, "update")
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    kept = region.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])
    assert kept["Attributes"]["DelaySeconds"] == "1"
    listed = region.client("cloudformation").describe_stack_resources(StackName=name)["StackResources"]
    assert sorted(item["LogicalResourceId"] for item in listed) == ["Group", "Queue"]


def test_bucket_with_objects_is_not_deleted_and_retain_is_kept(region: RunningRegion, name: str) -> None:
    template = {
        "Resources": {
            "Full": {"Type": "AWS::S3::Bucket"},
            "Kept": {"Type": "AWS::SQS::Queue", "DeletionPolicy": "Retain"},
        },
        "Outputs": {"Bucket": {"Value": {"Ref": "Full"}}, "Kept": {"Value": {"Ref": "Kept"}}},
    }
    found = outputs(deploy(region, name, template))
    client, s3 = region.client("cloudformation"), region.client("s3")
    stack_id = client.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    s3.put_object(Bucket=found["Bucket"], Key="a", Body=b"x")

    def ended() -> Json | None:
        stack: Json = client.describe_stacks(StackName=stack_id)["Stacks"][0]
        return None if stack["StackStatus"].endswith("IN_PROGRESS") else stack

    client.delete_stack(StackName=name)
    failed = wait_for(ended)
    assert failed["StackStatus"] == "DELETE_FAILED"
    assert failed["StackStatusReason"] == "The following resource(s) failed to delete: [Full]."
    s3.delete_object(Bucket=found["Bucket"], Key="a")
    client.delete_stack(StackName=name)
    assert wait_for(ended)["StackStatus"] == "DELETE_COMPLETE"
    region.client("sqs").delete_queue(QueueUrl=found["Kept"])  # it was kept, so it can be deleted


def test_unsupported_is_refused_by_name_before_anything_is_made(region: RunningRegion) -> None:
    client = region.client("cloudformation")
    template = {"Resources": {"Q": {"Type": "AWS::SQS::Queue"}, "V": {"Type": "AWS::EC2::VPC"}}}
    with pytest.raises(ClientError, match=r"Unrecognized resource types: \[AWS::EC2::VPC\]"):
        client.create_stack(StackName="never", TemplateBody=json.dumps(template))
    template["Resources"]["V"] = {"Type": "AWS::S3::Bucket", "Properties": {"ReplicationConfiguration": {}}}  # type: ignore[dict-item]
    with pytest.raises(ClientError, match=r"Resource V .*property ReplicationConfiguration is not supported"):
        client.create_stack(StackName="never", TemplateBody=json.dumps(template))
    for wrong in ("1stack", "a_stack", "a" * 129):
        with pytest.raises(ClientError, match=f"ValidationError.*Value '{wrong}' at 'stackName'"):
            client.create_stack(StackName=wrong, TemplateBody='{"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}')
    with pytest.raises(ClientError, match="Stack with id never does not exist"):
        client.describe_stacks(StackName="never")


def test_change_sets_are_executed_once(region: RunningRegion, name: str) -> None:
    client = region.client("cloudformation")
    body = json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}})
    made = client.create_change_set(StackName=name, ChangeSetName="one", ChangeSetType="CREATE", TemplateBody=body)
    shown = client.describe_change_set(ChangeSetName=made["Id"])
    assert (shown["Status"], shown["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    assert [change["ResourceChange"]["Action"] for change in shown["Changes"]] == ["Add"]
    client.execute_change_set(ChangeSetName=made["Id"])
    wait_for(lambda: client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")
    with pytest.raises(ClientError, match="InvalidChangeSetStatus"):
        client.execute_change_set(ChangeSetName=made["Id"])
    again = client.create_change_set(StackName=name, ChangeSetName="two", TemplateBody=body)
    shown = client.describe_change_set(ChangeSetName=again["Id"])
    assert shown["Status"] == "FAILED"
    assert shown["StatusReason"].startswith("The submitted information didn't contain changes.")
    with pytest.raises(ClientError, match=r"No updates are to be performed\."):
        client.update_stack(StackName=name, TemplateBody=body)


def test_exports_cross_stacks(region: RunningRegion, name: str) -> None:
    client, user = region.client("cloudformation"), f"{name}-user"
    queue = {"Type": "AWS::SQS::Queue"}
    deploy(
        region,
        name,
        {
            "Resources": {"Q": queue},
            "Outputs": {
                "Q": {
                    "Value": {"Fn::GetAtt": ["Q", "QueueName"]},
                    "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-q"}},
                }
            },
        },
    )
    importing = {
        "Resources": {
            "P": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Type": "String", "Value": {"Fn::ImportValue": f"{name}-q"}},
            }
        }
    }
    assert deploy(region, user, importing)["StackStatus"] == "CREATE_COMPLETE"
    assert client.list_imports(ExportName=f"{name}-q")["Imports"] == [user]
    client.delete_stack(StackName=name)
    stack = client.describe_stacks(StackName=name)["Stacks"][0]
    assert (stack["StackStatus"], "in use by" in stack["StackStatusReason"]) == ("DELETE_FAILED", True)
    client.delete_stack(StackName=user)


def test_aws_managed_policies_can_be_attached(region: RunningRegion, name: str) -> None:
    arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
            "ManagedPolicyArns": [arn],
        },
    }
    template = {"Resources": {"Role": role}, "Outputs": {"Role": {"Value": {"Ref": "Role"}}}}
    stack = deploy(region, name, template, Capabilities=["CAPABILITY_IAM"])
    assert stack["StackStatus"] == "CREATE_COMPLETE", failures(region, name)
    attached = region.client("iam").list_attached_role_policies(RoleName=outputs(stack)["Role"])["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [arn]


def test_templates_and_events_can_be_looked_at(region: RunningRegion, name: str) -> None:
    client, body = region.client("cloudformation"), json.dumps(BACKING)
    valid = client.validate_template(TemplateBody=body)
    assert [item["ParameterKey"] for item in valid["Parameters"]] == ["Delay"]
    with pytest.raises(ClientError, match="Template format error: YAML not well-formed"):
        client.validate_template(TemplateBody="Resources: [")
    deploy(region, name, BACKING)
    assert client.get_template(StackName=name)["TemplateBody"] == BACKING
    summary = client.get_template_summary(StackName=name)
    assert "AWS::KMS::Key" in summary["ResourceTypes"]
    events = list(client.get_paginator("describe_stack_events").paginate(StackName=name).search("StackEvents[]"))
    times = [event["Timestamp"] for event in events]
    assert times == sorted(times, reverse=True)
    assert (events[0]["ResourceStatus"], events[-1]["ResourceStatus"]) == ("CREATE_COMPLETE", "CREATE_IN_PROGRESS")
    assert len({event["EventId"] for event in events}) == len(events) == 3 * len(BACKING["Resources"]) + 2
    detail = client.describe_stack_resource(StackName=name, LogicalResourceId="Work")["StackResourceDetail"]
    assert detail["ResourceStatus"] == "CREATE_COMPLETE"
    listed = client.list_stack_resources(StackName=name)["StackResourceSummaries"]
    assert len(listed) == len(BACKING["Resources"])


def test_events_hide_what_is_not_to_be_echoed(region: RunningRegion, name: str) -> None:
    template: Json = {
        "Parameters": {"Secret": {"Type": "String", "NoEcho": True}, "Open": {"Type": "String", "Default": "seen"}},
        "Conditions": {"IsWord": {"Fn::Equals": [{"Ref": "Secret"}, "swordfish"]}},
        "Resources": {
            "Topic": {
                "Type": "AWS::SNS::Topic",
                "Properties": {
                    "DisplayName": {"Fn::Sub": "${Open} ${Secret}"},
                    "Tags": [{"Key": "word", "Value": {"Fn::If": ["IsWord", "yes", "no"]}}],
                },
            }
        },
        "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}},
    }
    client = region.client("cloudformation")
    stack = deploy(region, name, template, Parameters=[{"ParameterKey": "Secret", "ParameterValue": "swordfish"}])
    topic = region.client("sns").get_topic_attributes(TopicArn=outputs(stack)["Topic"])["Attributes"]
    assert topic["DisplayName"] == "seen swordfish"
    deploy(region, name, template, "update", Parameters=[{"ParameterKey": "Secret", "ParameterValue": "herring"}])
    client.delete_stack(StackName=name)
    client.get_waiter("stack_delete_complete").wait(StackName=stack["StackId"], WaiterConfig={"Delay": 1})
    events = client.get_paginator("describe_stack_events").paginate(StackName=stack["StackId"]).search("StackEvents[]")
    told = [(event["ResourceStatus"], event.get("ResourceProperties", "")) for event in events]
    assert not [text for _, text in told if "swordfish" in text or "herring" in text]
    shown = {status: json.loads(text) for status, text in told if text}
    assert shown["CREATE_COMPLETE"] == {"DisplayName": "seen ****", "Tags": [{"Key": "word", "Value": "yes"}]}
    assert shown["UPDATE_COMPLETE"] == {"DisplayName": "seen ****", "Tags": [{"Key": "word", "Value": "no"}]}
    assert shown["DELETE_COMPLETE"]["DisplayName"] == "seen ****"


def test_capabilities_are_asked_for(region: RunningRegion) -> None:
    role = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "x", "AssumeRolePolicyDocument": {}}}
    with pytest.raises(ClientError, match=r"Requires capabilities : \[CAPABILITY_NAMED_IAM\]"):
        region.client("cloudformation").create_stack(
            StackName="never", TemplateBody=json.dumps({"Resources": {"R": role}}), Capabilities=["CAPABILITY_IAM"]
        )


def test_transform_errors_fail_the_change_set(region: RunningRegion, name: str) -> None:
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": {"Handler": "a.b"}}},
    }
    client = region.client("cloudformation")
    made = client.create_change_set(
        StackName=name, ChangeSetName="one", ChangeSetType="CREATE", TemplateBody=json.dumps(template)
    )
    shown = client.describe_change_set(ChangeSetName=made["Id"])
    assert shown["Status"] == "FAILED"
    assert shown["StatusReason"].startswith("Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless")
    assert "[F]" in shown["StatusReason"]


API_TEMPLATE = {
    "Transform": "AWS::Serverless-2016-10-31",
    "Resources": {
        "Api": {
            "Type": "AWS::Serverless::Api",
            "Properties": {
                "StageName": "v1",
                "Cors": {"AllowOrigin": "'*'"},
                "Auth": {
                    "ApiKeyRequired": True,
                    "AddApiKeyRequiredToCorsPreflight": False,
                    "UsagePlan": {"CreateUsagePlan": "PER_API", "Quota": {"Limit": 3, "Period": "DAY"}},
                },
            },
        },
        "Echo": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "Runtime": "python3.11",
                "Handler": "index.handler",
                "InlineCode": "def handler(event, context):\n    return {'statusCode': 200, 'body': event['pathParameters']['name']}\n",
                "Events": {
                    "Get": {
                        "Type": "Api",
                        "Properties": {"RestApiId": {"Ref": "Api"}, "Path": "/echo/{name}", "Method": "get"},
                    }
                },
            },
        },
    },
    "Outputs": {
        "Url": {"Value": {"Fn::Sub": "https://${Api}.execute-api.${AWS::Region}.amazonaws.com/v1"}},
        "Key": {"Value": {"Ref": "ApiApiKey"}},
    },
}


def test_api_answers_with_a_key_until_its_quota_is_used(region: RunningRegion, name: str) -> None:
    import urllib.error
    import urllib.request

    stack = deploy(region, name, API_TEMPLATE, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    assert stack["StackStatus"] == "CREATE_COMPLETE", failures(region, name)
    found = outputs(stack)
    assert found["Url"].startswith(f"{region.endpoint}/_api/")
    key = region.client("apigateway").get_api_key(apiKey=found["Key"], includeValue=True)["value"]

    def call(path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        request = urllib.request.Request(
            found["Url"] + path, method=method, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    assert call("/echo/a%20b", x_api_key=key) == (200, b"a b")
    assert call("/echo/x") == (403, b'{"message":"Forbidden"}')
    assert call("/other", x_api_key=key) == (403, b'{"message":"Missing Authentication Token"}')
    assert call("/echo/x", "OPTIONS")[0] == 200
    assert [call("/echo/x", x_api_key=key)[0] for _ in range(3)] == [200, 200, 429]
    assert call("/echo/x", x_api_key=key)[1] == b'{"message":"Limit Exceeded"}'


def test_code_from_s3_and_layers(region: RunningRegion, name: str) -> None:
    bucket = f"{name}-code"
    s3 = region.client("s3")
    s3.create_bucket(Bucket=bucket)
    for key, path, text in (
        ("f.zip", "app.py", "import lib\ndef handler(event, context):\n    return lib.VALUE\n"),
        ("l.zip", "python/lib.py", "VALUE = 'from the layer'\n"),
    ):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(path, text)
        s3.put_object(Bucket=bucket, Key=key, Body=buffer.getvalue())
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "Layer": {
                "Type": "AWS::Serverless::LayerVersion",
                "Properties": {"ContentUri": f"s3://{bucket}/l.zip", "RetentionPolicy": "Delete"},
            },
            "F": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "Runtime": "python3.11",
                    "Handler": "app.handler",
                    "CodeUri": f"s3://{bucket}/f.zip",
                    "Layers": [{"Ref": "Layer"}],
                },
            },
        },
        "Outputs": {"F": {"Value": {"Ref": "F"}}},
    }
    stack = deploy(region, name, template, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    assert stack["StackStatus"] == "CREATE_COMPLETE", failures(region, name)
    answer = region.client("lambda").invoke(FunctionName=outputs(stack)["F"])
    assert json.loads(answer["Payload"].read()) == "from the layer"


NOTEBOOK: Json = {
    "Parameters": {"Type": {"Type": "String"}, "Script": {"Type": "String"}},
    "Resources": {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "sagemaker.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                }
            },
        },
        "OnStart": {
            "Type": "AWS::SageMaker::NotebookInstanceLifecycleConfig",
            "Properties": {"OnStart": [{"Content": {"Fn::Base64": {"Ref": "Script"}}}]},
        },
        "Notebook": {
            "Type": "AWS::SageMaker::NotebookInstance",
            "Properties": {
                "InstanceType": {"Ref": "Type"},
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "VolumeSizeInGB": "8",
                "LifecycleConfigName": {"Fn::GetAtt": ["OnStart", "NotebookInstanceLifecycleConfigName"]},
                "Tags": [{"Key": "team", "Value": "data"}],
            },
        },
    },
    "Outputs": {
        "Name": {"Value": {"Fn::GetAtt": ["Notebook", "NotebookInstanceName"]}},
        "Arn": {"Value": {"Ref": "Notebook"}},
        "Config": {"Value": {"Fn::GetAtt": ["OnStart", "NotebookInstanceLifecycleConfigName"]}},
    },
}


def test_a_notebook_instance_is_made_changed_and_taken_away(region: RunningRegion) -> None:
    cloudformation, sagemaker = region.client("cloudformation"), region.client("sagemaker")
    stack = f"notebook-{uuid.uuid4().hex[:6]}"

    def given(kind: str, script: str) -> Json:
        values = {"Type": kind, "Script": script}
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
        return {"StackName": stack, "TemplateBody": json.dumps(NOTEBOOK), "Parameters": parameters}

    quick = {"Delay": 0.1, "MaxAttempts": 200}
    cloudformation.create_stack(**given("ml.t3.medium", "echo 1"), Capabilities=["CAPABILITY_IAM"])
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig=quick)
    (made,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    outputs = {line["OutputKey"]: line["OutputValue"] for line in made["Outputs"]}
    found = sagemaker.describe_notebook_instance(NotebookInstanceName=outputs["Name"])
    assert (found["NotebookInstanceStatus"], found["InstanceType"], found["VolumeSizeInGB"]) == (
        "InService",
        "ml.t3.medium",
        8,
    )
    assert found["NotebookInstanceArn"] == outputs["Arn"]
    assert found["NotebookInstanceLifecycleConfigName"] == outputs["Config"]
    cloudformation.update_stack(**given("ml.m5.xlarge", "echo 2"), Capabilities=["CAPABILITY_IAM"])
    cloudformation.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig=quick)
    found = sagemaker.describe_notebook_instance(NotebookInstanceName=outputs["Name"])
    assert (found["NotebookInstanceStatus"], found["InstanceType"]) == ("InService", "ml.m5.xlarge")
    config = sagemaker.describe_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName=outputs["Config"]
    )
    assert config["OnStart"] == [{"Content": "ZWNobyAy"}]
    cloudformation.delete_stack(StackName=stack)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig=quick)
    assert sagemaker.list_notebook_instances(NameContains=outputs["Name"])["NotebookInstances"] == []
    assert outputs["Config"] not in str(sagemaker.list_notebook_instance_lifecycle_configs())
