"""What every error of the platform is."""

from collections.abc import Iterable


def join_names(names: Iterable[object]) -> str:
    """Join names with commas, as they stand in a sentence; `none` when there are none."""
    return ", ".join(str(name) for name in names) or "none"


class FeaturePlatformError(Exception):
    """Every error the platform raises on purpose; nothing was written when it is raised."""

    def __reduce__(self) -> tuple[object, ...]:
        """Send the error to other processes as its sentence, not as what the sentence was made from."""
        return _rebuild_error, (type(self), str(self)), self.__dict__


def _rebuild_error(kind: type[FeaturePlatformError], sentence: str) -> FeaturePlatformError:
    error = kind.__new__(kind)
    error.args = (sentence,)
    return error
