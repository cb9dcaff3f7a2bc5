"""Settings: where things are, from `pyproject.toml` or the environment. A laptop needs none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    PyprojectTomlConfigSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from feature_platform.errors import InvalidDeclaration

_PARENTS_SEARCHED = 8


class Settings(BaseSettings):
    """Where the stores are.

    Read from `[tool.feature_platform]` in the nearest `pyproject.toml` and from `FEATURE_PLATFORM_*`
    variables, which win.

    Attributes:
        root: a folder or URI that holds `offline/`; a relative folder is taken from the `pyproject.toml`.
        storage_options: passed to object stores as it is (credentials, endpoints); never logged.
        retention: how far back every version of a table stays readable.
        jwt_issuer, jwt_audience, jwks_url: the identity provider whose JWT the server accepts; all three or none.
            `jwks_url` may be a path, taken from the `pyproject.toml` when it is relative.
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
    retention: str = "365d"
    jwt_issuer: str | None = Field(default=None, repr=False)
    jwt_audience: str | None = Field(default=None, repr=False)
    jwks_url: str | None = Field(default=None, repr=False)

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
        """The arguments of the offline store."""
        return {
            "root": self.absolute_root,
            "storage_options": self.storage_options,
            "retention": self.retention,
        }

    @property
    def absolute_root(self) -> str:
        """The root as an absolute path, or the URI as it is."""
        return self.root if "://" in self.root else str((project_folder() / Path(self.root).expanduser()).resolve())

    @property
    def access_folder(self) -> Path:
        """Where access keys are: `<root>/access` of a local root; `.feature_platform/access` here for any other."""
        root = self.absolute_root.removeprefix("file://")
        return (project_folder() / ".feature_platform" if "://" in root else Path(root)) / "access"

    def jwt_arguments(self) -> tuple[str, str, str] | None:
        """The arguments of `access.jwt_verifier`; None when no identity provider is configured.

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
    """The settings of the folder and environment that this process runs in.

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
    """The nearest folder upwards that holds a `pyproject.toml`; the working directory when none does."""
    here = Path.cwd()
    return next((each for each in (here, *here.parents) if (each / "pyproject.toml").is_file()), here)
