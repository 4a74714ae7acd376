"""What TritonPools may name: a pool runs any image with any disk, and is sent prompts and photos.

The chart sets the lists from its own values, and has the API server enforce them too where it can
(charts/imagerift/templates/pool-policy.yaml). Here they hold on every server.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from imagerift_core.model_weights import ModelWeightsSpec
from imagerift_core.pool_template import PoolTemplate
from imagerift_core.resources import TritonPoolSpec
from pydantic import ValidationError

ANY = "*"
_ONLY_ANY = frozenset({ANY})


@dataclass(frozen=True)
class PoolRules:
    """Of each kind the names that pools may use, `*` for any.

    An image is allowed as it stands, or by its repository, without tag and digest; a host of an
    endpoint or an engine by its name, or from a dot on by the domain that it is in.
    """

    images: frozenset[str] = _ONLY_ANY
    claims: frozenset[str] = _ONLY_ANY
    priority_classes: frozenset[str] = _ONLY_ANY
    runtime_classes: frozenset[str] = _ONLY_ANY
    endpoint_hosts: frozenset[str] = _ONLY_ANY
    secrets: frozenset[str] = _ONLY_ANY
    service_accounts: frozenset[str] = _ONLY_ANY
    engine_hosts: frozenset[str] = _ONLY_ANY

    def refusal(self, spec: TritonPoolSpec) -> str | None:
        """Why a pool with this spec is not served, in words for whoever made it."""
        if spec.template is not None:
            return self._refusal_of(spec.template)
        return _unless_on("endpoint", spec.endpoint or "", self.endpoint_hosts)

    def refusal_of_weights(self, spec: ModelWeightsSpec) -> str | None:
        """Why weights with this spec are not downloaded, or not mounted."""
        claim = spec.claim.name if spec.claim is not None else None
        image = spec.place if spec.scheme == "oci" else None
        checks: tuple[tuple[str, str | None, Iterable[str | None], frozenset[str]], ...] = (
            ("source", claim, {claim}, self.claims),
            ("source", image, _names_of(image or ""), self.images),
            ("secretName", spec.secret_name, {spec.secret_name}, self.secrets),
        )
        refusals = (
            _unless_allowed(field, value, names, allowed)
            for field, value, names, allowed in checks
            if value is not None
        )
        return next((words for words in refusals if words is not None), None)

    def _refusal_of(self, template: PoolTemplate) -> str | None:
        claim = template.model_volume.claim_name if template.model_volume else None
        account = template.service_account_name
        token = template.engine.secret if template.engine else None
        checks: tuple[tuple[str, Iterable[str | None], frozenset[str]], ...] = (
            ("image", [template.image], self.images),
            ("initContainers and volumes", sorted(template.images()), self.images),
            ("modelVolume.claimName", [claim], self.claims),
            ("volumes", sorted(template.claims()), self.claims),
            ("env, envFrom and volumes", sorted(template.secrets()), self.secrets),
            ("engine.secret.name", [token.name if token else None], self.secrets),
            ("serviceAccountName", [account], self.service_accounts),
            ("priorityClassName", [template.priority_class_name], self.priority_classes),
            ("runtimeClassName", [template.runtime_class_name], self.runtime_classes),
        )
        refusals = (
            _unless_allowed(
                f"template.{field}",
                value,
                _names_of(value) if allowed is self.images else {value},
                allowed,
            )
            for field, values, allowed in checks
            for value in values
            if value is not None
        )
        first = next((words for words in refusals if words is not None), None)
        if first is not None or template.engine is None:
            return first
        return _unless_on("template.engine.origin", template.engine.origin, self.engine_hosts)


ANYTHING = PoolRules()


def _unless_allowed(
    field: str, value: str, names: Iterable[str | None], allowed: frozenset[str]
) -> str | None:
    if ANY in allowed or not allowed.isdisjoint(names):
        return None
    offered = ", ".join(sorted(allowed)) or "none"
    return f"spec.{field}: '{value}' is not among those that pools may use here: {offered}."


def _unless_on(field: str, address: str, allowed: frozenset[str]) -> str | None:
    host = urlsplit(address).hostname or ""
    domains = {host[at:] for at, letter in enumerate(host) if letter == "."}
    return _unless_allowed(field, host, {host, *domains}, allowed)


def _names_of(image: str) -> set[str]:
    """The image, and its repository."""
    repository = image.partition("@")[0]
    # A colon before a slash is a registry's port.
    head, _, last = repository.rpartition("/")
    name = last.partition(":")[0]
    return {image, f"{head}/{name}" if head else name}


def first_fault(error: ValidationError) -> str:
    """What is wrong with a spec that a server without validation rules has let through."""
    first = error.errors(include_url=False, include_input=False)[0]
    path = ".".join(["spec", *(str(part) for part in first["loc"])])
    return f"{path}: {first['msg']}"
