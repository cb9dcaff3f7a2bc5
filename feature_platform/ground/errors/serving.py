"""What the server refuses, and why it cannot start."""

from feature_platform.ground.errors.base import FeaturePlatformError


class UnknownScope(FeaturePlatformError):
    """A scope that no access key can have."""

    def __init__(self, scope: object) -> None:
        super().__init__(
            f"Access scope {scope!r:.100} is not known. Grant one or more of `read:<service>`, `read:*`, `push` "
            "and `admin`."
        )


class AccessKeysUnreadable(FeaturePlatformError):
    """The file of access keys is there and cannot be read; nobody is let in and nothing is written."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"The access keys in {path} cannot be read: {reason}. Nobody is let in until it is mended: "
            "restore the file from a copy, or move it away and make new keys."
        )


class AccessKeysNotWritten(FeaturePlatformError):
    """Storage refused a change of the access keys; the old ones stay."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"The access keys in {path} could not be changed: {reason}. The old ones stay; "
            "free space or fix the permission, then try again."
        )


class TokenRefused(FeaturePlatformError):
    """A JWT that proves nothing: forged, expired, meant for someone else."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The JWT is refused: {reason}. Ask the identity provider for a new one.")


class TokenNotVerifiable(FeaturePlatformError):
    """The keys of the identity provider cannot be fetched, so that no JWT can be checked and none is accepted."""

    def __init__(self, jwks: str, reason: str) -> None:
        super().__init__(
            f"No JWT can be verified: the keys at {jwks} cannot be fetched: {reason}. Check the setting `jwks_url` "
            "and the connection to that address."
        )


class BindRefused(FeaturePlatformError):
    """A server without authentication that others could reach."""

    def __init__(self, host: str, *, required: bool = False) -> None:
        reason = "the setting `access_required` is on" if required else "others can reach it there"
        other = "or turn the setting off" if required else "or listen on 127.0.0.1"
        super().__init__(
            f"The server will not listen on {host!r} without authentication: {reason}. "
            f"Make an access key with `feature-platform keys create`, configure JWT, {other}."
        )


class CannotStart(FeaturePlatformError):
    """A worker ended before any of the server had answered."""

    def __init__(self, code: int) -> None:
        super().__init__(
            f"The server cannot start: a worker ended with {code} before it answered. The log above says why; mend "
            "that and start again."
        )


class PackageMissing(FeaturePlatformError):
    """An optional package that the configuration needs.

    The package is named as pip takes it: the platform itself is on no registry.
    """

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs {package}, which is not installed. Run `pip install '{package}'`; it is what the extra "
            f"`{extra}` of the platform brings."
        )


class RequestRefused(FeaturePlatformError):
    """A request that cannot be answered as it is; no value of it is shown."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(f"The request {found}. {remedy}")


class RequestTooLarge(RequestRefused):
    """More than the server takes at once."""


class NamesCollide(RequestRefused):
    """Two features of one response would have one name."""


class HostRefused(FeaturePlatformError):
    """A request for a host that the server is not."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"The request is for the host {host!r:.100}, and this server is not known by that name. Ask it as "
            "`localhost` or `127.0.0.1`, or list the name in the setting `allowed_hosts`."
        )


class PageRefused(FeaturePlatformError):
    """A request that a web page of another site sends to a server without authentication."""

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"The request is sent by a web page of another site ({origin!r:.100}). List the host of the page in the "
            "setting `allowed_hosts` if it may do so, or use access keys."
        )


class NotIdentified(FeaturePlatformError):
    """A request without a valid access key or JWT."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"The request {found}. Send `Authorization: Bearer <token>` with an access key or a JWT that is valid."
        )


class NotGranted(FeaturePlatformError):
    """A request with a key that lacks the scope it needs."""

    def __init__(self, name: str, scope: str) -> None:
        super().__init__(f"`{name}` is not granted `{scope}`, which this request needs. Use a key that has it.")


class ServerBusy(FeaturePlatformError):
    """A request that the server has no time for now."""

    def __init__(self, found: str) -> None:
        super().__init__(f"The server {found}. Ask again later, or for fewer entities at once.")


class TooMuchWork(FeaturePlatformError):
    """One request that would block the others for too long; refused before it begins."""

    def __init__(self, found: str, most: int, unit: str = "events") -> None:
        super().__init__(
            f"The request is too much work: {found}, and one may take at most {most} {unit}. Ask for fewer entities at "
            "once, or let the server take more (`feature-platform serve --max-events`)."
        )


class CannotListen(FeaturePlatformError):
    """An address that the server cannot listen on."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"The server cannot listen on {host}:{port}: {reason}. Stop the program that listens there, or give "
            "another --port."
        )


class NothingServed(FeaturePlatformError):
    """An online store without any view of the project."""

    def __init__(self, project: str, location: str) -> None:
        super().__init__(
            f"Nothing of project `{project}` is in the online store {location} yet. Materialize its assets "
            "`online/...` in Dagster, or call fp.publish, then start again."
        )
