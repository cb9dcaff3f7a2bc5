"""The setting `lineage`: under which namespace events go out, by which transport, and how long each may take.

The standard settings of OpenLineage (`OPENLINEAGE_URL`, `openlineage.yml`, ...) count beside it; it wins.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec

from feature_platform.ground.errors import InvalidDeclaration, PackageMissing

_KEYS = ("namespace", "transport", "timeout")
_TIMEOUT = 5.0
_LONGEST = 30.0


@dataclass(frozen=True)
class LineageSettings:
    """The setting `lineage`, checked.

    Attributes:
        namespace: of the jobs; None takes `OPENLINEAGE_NAMESPACE`, or one made of the project's name.
        transport: as the client of OpenLineage writes it, e.g. `{"type": "http", "url": ...}`; never shown.
        timeout: seconds for each event to a server.
    """

    namespace: str | None = None
    transport: Mapping[str, object] = field(default_factory=dict, repr=False)
    timeout: float = _TIMEOUT

    def namespace_of(self, project: str) -> str:
        """Return the namespace of the jobs of a project."""
        return self.namespace or os.environ.get("OPENLINEAGE_NAMESPACE") or f"feature_platform.{project}"


def lineage_settings_of(configured: Mapping[str, object]) -> LineageSettings:
    """Check the setting `lineage`.

    Raises:
        InvalidDeclaration: a key is unknown, or its value is of the wrong kind; no value is shown.

    >>> lineage_settings_of({"namespace": "shop"}).timeout
    5.0
    """
    for key in configured:
        if key not in _KEYS:
            raise InvalidDeclaration(f"Setting `lineage.{key}`", "is not known", f"Known are {', '.join(_KEYS)}.")
    namespace = configured.get("namespace")
    transport, timeout = configured.get("transport", {}), configured.get("timeout", _TIMEOUT)
    if namespace is not None and not (isinstance(namespace, str) and namespace):
        raise InvalidDeclaration("Setting `lineage.namespace`", "is no text", 'Write a name, e.g. "shop".')
    if not isinstance(transport, Mapping) or (transport and not isinstance(transport.get("type"), str)):
        remedy = 'Write a table, e.g. {type = "http", url = "https://lineage.example"}.'
        raise InvalidDeclaration("Setting `lineage.transport`", "names no type of transport", remedy)
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout <= _LONGEST:
        remedy = f"Write a number above 0 and up to {_LONGEST:g}."
        raise InvalidDeclaration("Setting `lineage.timeout`", "is no number of seconds that is allowed", remedy)
    return LineageSettings(namespace, dict(transport), float(timeout))


def require_openlineage() -> None:
    """Raise PackageMissing if the extra `lineage` is not installed."""
    if find_spec("openlineage") is None:
        raise PackageMissing("Lineage", "openlineage-python", "lineage")


def is_switched_off() -> bool:
    """Tell whether `OPENLINEAGE_DISABLED` says so."""
    return os.environ.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true"
