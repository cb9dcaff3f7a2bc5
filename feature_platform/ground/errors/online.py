"""What the online store cannot do, and pushes that it cannot take."""

from feature_platform.ground.errors.base import FeaturePlatformError


class InvalidKey(FeaturePlatformError):
    """A value that cannot be a join key, or a request field; over HTTP the value itself is not shown."""

    def __init__(self, owner: str, key: str, row: int | None, found: str, wanted: str, part: str = "join key") -> None:
        where = "" if row is None else f" of entity row {row}"
        super().__init__(f"{owner}: {part} `{key}`{where} is {found}, which cannot be {wanted}. Give {wanted}.")


class NotServed(FeaturePlatformError):
    """A view that was never published to the online store."""

    def __init__(self, view: str, store: str) -> None:
        super().__init__(
            f"Feature view `{view}` is not in the online store {store}. Publish it: materialize the asset "
            f"`online/{view}`, or call fp.publish."
        )


class OnlineConflict(FeaturePlatformError):
    """Another process changed a table of the online store while new rows were made for it."""

    def __init__(self, view: str, expected: str, found: str) -> None:
        super().__init__(
            f"The online table of `{view}` was at {expected} when its new rows were made, and is at {found} now. "
            "Nothing was written; publish again."
        )


class OnlineStoreFailed(FeaturePlatformError):
    """The online store refused: a full disk, a lost connection, a damaged file; what it held stays."""

    def __init__(self, what: str, location: str, reason: str) -> None:
        super().__init__(
            f"The online store could not {what} at {location}: {reason}. What it held before is still served; "
            "free space or restore the connection, then run again."
        )


class PushRefused(FeaturePlatformError):
    """Pushed rows that their source could not hold; the values themselves are not shown."""

    def __init__(
        self, source: str, found: str, remedy: str, *, column: str | None = None, row: int | None = None
    ) -> None:
        where = "" if column is None else f"column `{column}` "
        place = "" if row is None else f" in row {row} (the first is row 0)"
        super().__init__(
            f"A push to source `{source}` is refused: {where}{found}{place}. {remedy} Nothing of it was taken."
        )


class SpoolFailed(FeaturePlatformError):
    """The spool of pushes refused: a full disk, a lost permission, a damaged file; what it took before stays."""

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(
            f"The spool of pushes at {folder} failed: {reason}. Nothing of this push was taken, and all earlier ones "
            "stay; free space or fix the permission, then try again."
        )
