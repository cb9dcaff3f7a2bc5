"""What a lineage server did not take."""

from feature_platform.ground.errors.base import FeaturePlatformError


class LineageUnsent(FeaturePlatformError):
    """Events of a run that a lineage server did not take; the run stays in table `runs`. No secret is shown."""

    def __init__(self, run: str, place: str, reason: str, remedy: str) -> None:
        super().__init__(f"The lineage of {run} was not sent to {place}: {reason}. Nothing is lost. {remedy}")
