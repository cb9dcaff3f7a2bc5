"""Errors as HTTP: the status of each of the platform's errors, and its body.

A mistake of the client is a 4xx that says what is wrong and no value of it; Feast's clients retry 429 and 5xx three
times, so only what may work later is one of those.
"""

import json

from feature_platform.ground import errors
from feature_platform.server.routes import JSON, Response, as_json

_STATUS: dict[type[errors.FeaturePlatformError], int] = {
    errors.NotIdentified: 401,
    errors.TokenRefused: 401,
    errors.NotGranted: 403,
    errors.PageRefused: 403,
    errors.HostRefused: 421,
    errors.UnknownName: 404,
    errors.RequestTooLarge: 413,
    errors.RequestRefused: 422,
    errors.InvalidKey: 422,
    errors.InvalidDeclaration: 422,
    errors.DuplicateName: 422,
    errors.MissingColumns: 422,
    errors.MissingRequestField: 422,
    errors.OutsideBounds: 422,
    errors.WrongColumnType: 422,
    errors.ColumnCollision: 422,
    errors.TransformFailed: 422,
    errors.SumTooLarge: 422,
    errors.PushRefused: 422,
    errors.TooMuchWork: 429,
}
_FEAST_KINDS = {
    "feature service": "FeatureServiceNotFoundException",
    "feature view": "FeatureViewNotFoundException",
    "push source": "PushSourceNotFoundException",
}
_FEAST_CLASSES = {
    errors.NotGranted: "FeastPermissionError",
    errors.NamesCollide: "FeatureNameCollisionError",
    errors.MissingRequestField: "RequestDataNotFoundInEntityRowsException",
}
_BEARER = (b"www-authenticate", b"Bearer")


def status_of(error: errors.FeaturePlatformError) -> int:
    """Return the HTTP status of an error: 503 for all that is no mistake of the client.

    >>> status_of(errors.NotServed("delays", "/data")), status_of(errors.RequestRefused("is empty", "Send JSON."))
    (503, 422)
    """
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 503)


def response_of(error: errors.FeaturePlatformError, *, feast: bool) -> Response:
    """Return the response to a request that failed with an error."""
    status = status_of(error)
    name = _feast_class(error, status) if feast else type(error).__name__
    return error_response(status, name, str(error), feast=feast)


def error_response(
    status: int, name: str, message: str, *, feast: bool, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> Response:
    """Return the response that refuses a request.

    Args:
        name: the name of the error; for Feast the name of a class in `feast.errors`, which its clients raise.
        feast: the body is a JSON string that holds JSON, which is how Feast's own server writes it.
    """
    headers = (*headers, _BEARER) if status == 401 else headers
    if feast:
        inside = json.dumps({"module": "feast.errors", "class": name, "message": message})
        return Response(json.dumps(inside).encode(), status, (JSON, *headers))
    return as_json({"error": name, "message": message}, status, headers)


def _feast_class(error: errors.FeaturePlatformError, status: int) -> str:
    """Return the name of a class that every Feast client since 0.40 has."""
    if isinstance(error, errors.UnknownName):
        return _FEAST_KINDS.get(error.kind, "FeastObjectNotFoundException")
    named = next((_FEAST_CLASSES[kind] for kind in type(error).__mro__ if kind in _FEAST_CLASSES), None)
    return named or ("FeastPermissionError" if status == 401 else "FeastError")
