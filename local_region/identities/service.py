"""IAM and STS as the region needs them: a function's role has credentials, and they allow what its policies say.

Requests signed with any other key are the region owner's, who may do everything: the region guards against a
template whose policies are too narrow (or too wide to notice), not against the person at the keyboard.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from moto.backends import get_backend
from moto.sts.models import STSBackend

from local_region.identities.actions import Place, needs
from local_region.identities.policy import Statement, decide
from local_region.identities.simulation import Policy, simulated
from local_region.ports import AwsError, AwsRequest, Credentials, Json, Principal, Region

#: services whose clients expect ``AccessDenied``; the JSON ones expect ``AccessDeniedException``
_SHORT_CODE = frozenset({"s3", "sqs", "sns", "iam", "sts", "cloudformation", "cloudwatch"})
#: who anyone is may always be asked (STS documents that GetCallerIdentity needs no permission)
_FREE = frozenset({("sts", "GetCallerIdentity")})


class IdentitiesService:
    """Role credentials, and the check of each request made with them. Of IAM's operations, the one that asks for such a
    check; moto has the others."""

    service = "iam"

    def __init__(self, region: Region) -> None:
        self._region = region
        self._roles: dict[str, Principal] = {}
        self._original: Any = None

    def start(self) -> None:
        """Let moto's STS know the region's callers. Policies are read from IAM when a request is checked."""
        original = self._original = STSBackend.get_caller_identity

        @functools.wraps(original)
        def get_caller_identity(backend: Any, access_key_id: str, region: str) -> tuple[str, str, str]:
            known = self.caller(access_key_id)
            if known is not None:
                return known
            answer = original(backend, access_key_id, region)
            return self.caller(None) or answer if answer[1].endswith(":user/moto") else answer

        setattr(STSBackend, "get_caller_identity", get_caller_identity)  # noqa: B010 (a method of moto's class)

    def stop(self) -> None:
        """moto's STS is as it was."""
        if self._original is not None:
            setattr(STSBackend, "get_caller_identity", self._original)  # noqa: B010
            self._original = None

    def caller(self, access_key_id: str | None) -> tuple[str, str, str] | None:
        """UserId, Arn and Account as STS tells them: of a role's session (``AROA…:session``), and for None the
        owner's, whose id is the account's as a root user's is. None for keys that moto made."""
        account = self._region.config.account_id
        if access_key_id is None:
            return account, self.principal_of(None).arn, account
        principal = self._roles.get(access_key_id)
        if principal is None or principal.role_arn is None:
            return None
        role = self._role(principal.role_arn)
        # A role that is gone can't be asked for its id; sessions of one that was deleted answer all the same.
        role_id = role.id if role is not None else f"AROA{principal.access_key_id.removeprefix('ASIA')}"
        return f"{role_id}:{principal.arn.rsplit('/', 1)[-1]}", principal.arn, account

    def credentials_for(self, role_arn: str) -> Credentials:
        """Credentials of ``role_arn``; the same role gets the same ones for as long as the region lives."""
        secret = hashlib.sha256(f"{self._region.config.state_dir}:{role_arn}".encode()).hexdigest()
        key_id = "ASIA" + hashlib.sha256(role_arn.encode()).hexdigest()[:16].upper()
        name = role_arn.rsplit("/", 1)[-1]
        account = self._region.config.account_id
        partition = self._region.config.partition
        session = f"arn:{partition}:sts::{account}:assumed-role/{name}/region"
        self._roles[key_id] = Principal(key_id, session, role_arn)
        return Credentials(key_id, secret[:40], f"session-{secret[:24]}")

    def principal_of(self, access_key_id: str | None) -> Principal:
        """The role whose credentials these are, otherwise the region's owner."""
        if access_key_id in self._roles:
            return self._roles[access_key_id]
        account = self._region.config.account_id
        return Principal(access_key_id or "anonymous", f"arn:{self._region.config.partition}:iam::{account}:root")

    def _authorize(
        self,
        principal: Principal,
        action: str,
        resource: str,
        context: Mapping[str, str] | None = None,
        code: str = "AccessDeniedException",
    ) -> None:
        """Raise ``AwsError(code)`` (403), worded as AWS does, unless the principal's role allows it."""
        if principal.role_arn is None:
            return
        decision = decide(self._statements(principal.role_arn), action, resource, context or {})
        if decision == "allow":
            return
        because = (
            f"with an explicit deny in an identity-based policy: {action}"
            if decision == "deny"
            else f"because no identity-based policy allows the {action} action"
        )
        text = f"User: {principal.arn} is not authorized to perform: {action} on resource: {resource} {because}"
        raise AwsError(code, text, status=403)

    def check(self, principal: Principal, service: str, operation: str, params: Mapping[str, Any]) -> None:
        """Authorize everything that ``operation`` needs. ``service`` and names are botocore's."""
        if principal.role_arn is None or (service, operation) in _FREE:
            return
        config = self._region.config
        place = Place(config.region_name, config.account_id, config.partition)
        code = "AccessDenied" if service in _SHORT_CODE else "AccessDeniedException"
        for need in needs(service, operation, params, place):
            self._authorize(principal, need.action, need.resource, need.context, code)

    def check_absence(self, principal: Principal, bucket: str) -> None:
        """S3 tells that an object is missing only to those who may list its bucket; others are denied.

        The request names no prefix, so a condition on ``s3:prefix`` has nothing to compare
        (S3's API reference, GetObject, "Permissions").
        """
        arn = f"arn:{self._region.config.partition}:s3:::{bucket}"
        self._authorize(principal, "s3:ListBucket", arn, {}, "AccessDenied")

    def operations(self) -> Mapping[str, Callable[[AwsRequest], Json]]:
        return {"SimulatePrincipalPolicy": self._simulate}

    def _simulate(self, request: AwsRequest) -> Json:
        arn = request.params["PolicySourceArn"]
        if ":role/" not in arn:
            raise AwsError("InvalidInput", f"{arn} is not a role: the region holds the policies of roles only.", 400)
        role = self._role(arn)
        if role is None:
            raise AwsError("NoSuchEntity", f"The role with name {arn.rsplit('/', 1)[-1]} cannot be found.", 404)
        return simulated(_policies(role), request.params)

    def _statements(self, role_arn: str) -> list[Statement]:
        """Of all the role's policies. An unknown role may do nothing."""
        role = self._role(role_arn)
        return [statement for policy in _policies(role) for statement in policy.statements] if role else []

    def _role(self, role_arn: str) -> Any:
        backend = get_backend("iam")[self._region.config.account_id][self._region.config.partition]
        return next((role for role in backend.roles.values() if role.arn == role_arn), None)


def _policies(role: Any) -> list[Policy]:
    """The role's inline and attached policies, as moto's IAM holds them."""
    inline = [Policy(name, _parse(document)) for name, document in role.policies.items()]
    attached = [
        Policy(policy.name, _parse(version.document))
        for policy in role.managed_policies.values()
        for version in policy.versions
        if version.version_id == policy.default_version_id
    ]
    return inline + attached


@lru_cache(maxsize=256)
def _parse(document: str) -> tuple[Statement, ...]:
    text = document if document.lstrip().startswith("{") else unquote(document)
    statements = json.loads(text).get("Statement", [])
    return tuple(statements if isinstance(statements, list) else [statements])
