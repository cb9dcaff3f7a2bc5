"""What the store of alerts cannot do, and messages that no channel took."""

from feature_platform.ground.errors.base import FeaturePlatformError


class AlertStoreFailed(FeaturePlatformError):
    """The database of alerts refused: locked, full, damaged, or of another version; nothing of the change was kept."""

    def __init__(self, path: str, reason: str, remedy: str) -> None:
        super().__init__(f"The alerts in {path} cannot be read or changed: {reason}. Nothing was changed. {remedy}")


class UnknownAlert(FeaturePlatformError):
    """An id that no alert, silence or channel has, or that several begin with."""

    def __init__(self, what: str, name: str, found: str, remedy: str) -> None:
        super().__init__(f"{what} {name!r:.100} {found}. {remedy}")


class DeliveryFailed(FeaturePlatformError):
    """A message that a channel did not take; it is kept and tried again. No address and no secret is shown.

    Attributes:
        refused: whether the receiver refused this very message, so that another one may still pass.
        retry_after: seconds that the receiver asks to wait; None when it says nothing.
    """

    def __init__(self, channel: str, reason: str, *, refused: bool = False, retry_after: int | None = None) -> None:
        super().__init__(
            f"Alert channel `{channel}` did not take a message: {reason}. It is kept and tried again; try the channel "
            f"with `feature-platform alerts test {channel}`."
        )
        self.reason, self.refused, self.retry_after = reason, refused, retry_after
