"""Settings: where the stores are, from `pyproject.toml` or the environment. A laptop needs none."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    PyprojectTomlConfigSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from feature_platform.ground.errors import InvalidDeclaration

if TYPE_CHECKING:
    from feature_platform.lineage.configuration import LineageSettings
    from feature_platform.monitoring.alerting import AlertStore, Policy
    from feature_platform.online.base import OnlineStore
    from feature_platform.parts.alert_channels import Channel

_PARENTS_SEARCHED = 8


class Settings(BaseSettings):
    """The settings of a project: where its stores are, and how it is served and watched.

    Read from `[tool.feature_platform]` in the nearest `pyproject.toml` and from `FEATURE_PLATFORM_*`
    variables, which win.

    Attributes:
        root: a folder or URI that holds `offline/`; a relative folder is taken from the `pyproject.toml`.
        storage_options: passed to object stores as it is (credentials, endpoints); never logged.
        project: the module of declarations that commands are about, e.g. `shop` or `my_team.features`.
        retention: how far back every version of a table stays readable.
        online: the online store: a folder, or a URL such as `redis://host:6379/0`; `<root>/online` by default, and
            `.feature_platform/online` here where the root is remote. Never logged: a URL may hold a password.
        spool: the folder of the server's spool of pushes, on a disk of this machine; `<root>/spool` by default, and
            `.feature_platform/spool` here where the root is remote.
        push_flush_seconds: how often the server moves pushes from the spool to the offline store.
        request_log_sample: the share of requests that the server keeps in `requests/<service>`, from 0.0 to 1.0.
            None by default: the log has the values of entities and features in it.
        access_required: the server starts only where access keys or JWT are configured, on loopback, too; for one that
            others reach through a proxy on the same machine.
        allowed_hosts: names of the feature server besides those of this machine; web pages of these may post to it.
        jwt_issuer, jwt_audience, jwks_url: the identity provider whose JWT the server accepts; all three or none.
            `jwks_url` may be a path, taken from the `pyproject.toml` when it is relative.
        alerts: how alerts are sent, and `channels`, a table for each; see `docs/how-to/alerts.md`. Never logged.
        lineage: `namespace`, `transport` and `timeout` of OpenLineage events; with it, Dagster has the sensor
            that sends them. See `docs/how-to/lineage.md`. Never logged.
    """

    model_config = SettingsConfigDict(
        env_prefix="FEATURE_PLATFORM_",
        pyproject_toml_table_header=("tool", "feature_platform"),
        pyproject_toml_depth=_PARENTS_SEARCHED,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,  # a misspelt option may hold a secret
    )

    root: str = ".feature_platform"
    storage_options: dict[str, str] = Field(default_factory=dict, repr=False)
    project: str | None = None
    retention: str = "365d"
    online: str | None = Field(default=None, repr=False)
    spool: str | None = None
    push_flush_seconds: float = Field(default=5.0, gt=0.0, le=3600.0)
    request_log_sample: float = Field(default=0.0, ge=0.0, le=1.0)
    access_required: bool = False
    allowed_hosts: list[str] = Field(default_factory=list)
    jwt_issuer: str | None = Field(default=None, repr=False)
    jwt_audience: str | None = Field(default=None, repr=False)
    jwks_url: str | None = Field(default=None, repr=False)
    alerts: dict[str, Any] = Field(default_factory=dict, repr=False)
    lineage: dict[str, Any] = Field(default_factory=dict, repr=False)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, PyprojectTomlConfigSettingsSource(settings_cls)

    def store_arguments(self) -> Mapping[str, Any]:
        """Return the arguments of the offline store."""
        return {
            "root": self.absolute_root,
            "storage_options": self.storage_options,
            "retention": self.retention,
        }

    @property
    def absolute_root(self) -> str:
        """Return the root as an absolute path, or the URI as it is."""
        return self.root if "://" in self.root else str((project_folder() / Path(self.root).expanduser()).resolve())

    @property
    def online_address(self) -> str:
        """Return the address of the online store: a URL, or an absolute folder."""
        if self.online is None:
            return str(self._local_folder / "online")
        return (
            self.online if "://" in self.online else str((project_folder() / Path(self.online).expanduser()).resolve())
        )

    def online_store(self) -> "OnlineStore":
        """Return the online store.

        Raises:
            InvalidDeclaration: `online` is an address of an unknown kind.
            PackageMissing: the store needs a package that is not installed.
        """
        from feature_platform.online import store_of

        return store_of(self.online_address)

    @property
    def access_folder(self) -> Path:
        """Return the folder of access keys: `<root>/access`, or `.feature_platform/access` here for a remote root."""
        return self._local_folder / "access"

    @property
    def spool_folder(self) -> Path:
        """Return the folder of the spool of pushes."""
        if self.spool is None:
            return self._local_folder / "spool"
        return (project_folder() / Path(self.spool).expanduser()).resolve()

    @property
    def server_folder(self) -> Path:
        """Return the folder where running servers keep files of their own, such as the metrics of their workers."""
        return self._local_folder / "server"

    @property
    def _local_folder(self) -> Path:
        """Return the folder for files of this machine: a local root, a folder of the project for any other."""
        root = self.absolute_root.removeprefix("file://")
        return project_folder() / ".feature_platform" if "://" in root else Path(root)

    @property
    def alerts_folder(self) -> Path:
        """Return the folder of alerts: `<root>/alerts`, or `.feature_platform/alerts` here for a remote root."""
        return self._local_folder / "alerts"

    def alert_store(self) -> "AlertStore":
        """Return the store of alerts, in `alerts_folder`."""
        from feature_platform.monitoring.alerting import AlertStore

        return AlertStore(self.alerts_folder)

    def alert_policy(self) -> "Policy":
        """Return the policy that decides how alerts are sent.

        Raises:
            InvalidDeclaration: a setting is unknown or wrong.
        """
        from feature_platform.monitoring.alerting import policy_of

        return policy_of(self.alerts)

    def alert_channels(self) -> "tuple[Channel, ...]":
        """Return the channels that alerts go to; the log by default.

        Raises:
            InvalidDeclaration: a channel is wrong; no value of it is shown.
        """
        from feature_platform.parts.alert_channels import channels_of

        return channels_of(self.alerts.get("channels", {}))

    def lineage_settings(self) -> "LineageSettings":
        """Return how lineage is sent.

        Raises:
            InvalidDeclaration: a setting is unknown or wrong; no value is shown.
        """
        from feature_platform.lineage.configuration import lineage_settings_of

        return lineage_settings_of(self.lineage)

    def jwt_arguments(self) -> tuple[str, str, str] | None:
        """Return the arguments of `access.jwt_verifier`; None when no identity provider is configured.

        Raises:
            InvalidDeclaration: one is configured in part.
        """
        wanted = {"jwt_issuer": self.jwt_issuer, "jwt_audience": self.jwt_audience, "jwks_url": self.jwks_url}
        if not any(wanted.values()):
            return None
        for name, value in wanted.items():
            if not value:
                raise InvalidDeclaration(f"Setting `{name}`", "is missing", f"JWT needs all of {', '.join(wanted)}.")
        issuer, audience, jwks = (str(value) for value in wanted.values())
        return issuer, audience, jwks if "://" in jwks else str(project_folder() / Path(jwks).expanduser())


def loaded_settings() -> Settings:
    """Read the settings of the folder and environment that this process runs in.

    Raises:
        InvalidDeclaration: a setting is unknown or of the wrong type; its value is not shown.
    """
    try:
        return Settings()
    except SettingsError as error:
        raise InvalidDeclaration(
            "A setting", f"cannot be read: {error}", "Tables are written as JSON objects."
        ) from None
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        known = ", ".join(Settings.model_fields)
        raise InvalidDeclaration(
            f"Setting `{name}`", f"is refused: {first['msg']}", f"Known settings: {known}."
        ) from None


def project_folder() -> Path:
    """Return the nearest folder upwards that holds a `pyproject.toml`; the working directory when none does."""
    here = Path.cwd()
    return next((each for each in (here, *here.parents) if (each / "pyproject.toml").is_file()), here)
