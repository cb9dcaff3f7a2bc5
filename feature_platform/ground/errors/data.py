"""What is wrong with rows, or with the functions they are given to."""

from collections.abc import Iterable, Mapping

from feature_platform.ground.errors.base import FeaturePlatformError, join_names


class MissingColumns(FeaturePlatformError):
    """A frame lacks columns that its declaration needs."""

    def __init__(self, owner: str, missing: Iterable[str], found: Iterable[str]) -> None:
        super().__init__(
            f"{owner} lacks the column(s) {join_names(f'`{name}`' for name in missing)}. It has: {join_names(found)}."
        )


class MissingRequestField(FeaturePlatformError):
    """A request or spine lacks fields that an on-demand view computes from."""

    def __init__(self, on_demand_view: str, missing: Iterable[str], client: str, found: Iterable[str]) -> None:
        fields = join_names(f"`{name}`" for name in missing)
        super().__init__(
            f"On-demand view `{on_demand_view}` needs the request field(s) {fields}. "
            f"{client} has: {join_names(found)}. Add what is missing."
        )


class OutsideBounds(FeaturePlatformError):
    """A value of a request field that its declaration refuses.

    `row` is the place of the first one among the rows that were computed together, counted from 0. The message shows
    no value of a request; of a spine it shows the first.
    """

    def __init__(
        self,
        on_demand_view: str,
        name: str,
        found: str,
        between: tuple[object, object],
        row: int,
        rows: int,
        example: object = None,
    ) -> None:
        place = f"row {row}" if example is None else f"row {row} ({example})"
        if rows > 1:
            place = f"{place} and {rows - 1} more"
        least, greatest = between
        if greatest is None:
            declared = f"at least {least}"
        else:
            declared = f"at most {greatest}" if least is None else f"between {least} and {greatest}"
        asker = "request" if example is None else "spine"
        remedy = "Send such a value." if example is None else "Leave these rows out, or declare other bounds."
        super().__init__(
            f"On-demand view `{on_demand_view}`: the request field `{name}` is {found} in {place}, counted from 0 "
            f"among the rows of the {asker}. It is declared to be {declared}. {remedy}"
        )
        self.row = row


class WrongColumnType(FeaturePlatformError):
    """A column whose type cannot be used as declared."""

    def __init__(self, owner: str, column: str, found: object, wanted: object, remedy: str) -> None:
        super().__init__(f"{owner}: column `{column}` is {found}, but {wanted} is needed. {remedy}")


class NotUtc(WrongColumnType):
    """A time without a zone, or a date or text that stands for one."""

    def __init__(self, owner: str, column: str, found: object, remedy: str) -> None:
        super().__init__(
            owner,
            column,
            found,
            "a time with a zone",
            remedy,
        )


class ColumnCollision(FeaturePlatformError):
    """Columns of both sides of a join share a name."""

    def __init__(self, owner: str, columns: Iterable[str], remedy: str) -> None:
        super().__init__(f"{owner} would have the column(s) {join_names(columns)} twice. {remedy}")


class WrongColumnName(FeaturePlatformError):
    """A column, or a field of one, whose name a table cannot hold."""

    def __init__(self, owner: str, name: str, found: str, remedy: str) -> None:
        super().__init__(f"{owner}: the column name {name[:100]!r} {found}. {remedy}")


class PublishedRowsGone(FeaturePlatformError):
    """Rows that were published are not in their source any more, and the source does not say that they may go.

    Attributes:
        found: what is gone, in words.
    """

    def __init__(self, source: str, location: str, found: str, remedy: str) -> None:
        self.found = found
        super().__init__(
            f"Source `{source}`: rows that were published are not in {location} any more: {found}. "
            f"Nothing was written. {remedy}"
        )


class PublishedRowsChanged(FeaturePlatformError):
    """Files that published rows were made of hold other rows now, which their source refuses until somebody decides."""

    def __init__(self, source: str, location: str, found: str, remedy: str) -> None:
        super().__init__(
            f"Source `{source}`: published rows were changed in {location}: {found}. Nothing was written. {remedy}"
        )


class CannotReproduce(FeaturePlatformError):
    """A version of a training set that today's declaration cannot build, since it reads other tables."""

    def __init__(self, table: str, version: int, missing: Iterable[str]) -> None:
        super().__init__(
            f"`{table}` at version {version} was built without {join_names(f'`{name}`' for name in missing)}, which "
            "its declaration reads now. Check out the code of that version."
        )


class NoFinalLabel(FeaturePlatformError):
    """A training set of which no row has a label that cannot change any more."""

    def __init__(self, training_set: str, tables: Iterable[tuple[str, str | None]], needed: str | None) -> None:
        reach = join_names(
            f"`{table}` covers {'nothing yet' if last is None else f'up to {last}'}" for table, last in tables
        )
        need = (
            f"the first label needs {needed}"
            if needed is not None
            else "and no row has a key, a time and labels that lie in what is covered"
        )
        super().__init__(
            f"No row of `{training_set}` has a final label: {reach}, {need}. Materialize more of it, ask for earlier "
            'moments or shorter windows, or give immature="keep" to have the rows without labels.'
        )


class SumTooLarge(FeaturePlatformError):
    """A sum of whole numbers that does not fit 64 bits."""

    def __init__(self, owner: str, feature: str, column: str, key: Mapping[str, object], instant: str) -> None:
        whose = join_names(f"{name}={value!r}" for name, value in key.items()) if key else "all rows"
        floats = f'pl.col("{column}").cast(pl.Float64)'
        super().__init__(
            f"{owner}: feature `{feature}` of {whose} at {instant} is a sum of whole numbers that does not fit 64 "
            f"bits. Sum floats instead: add a column `{floats}` of another name in the view's function."
        )
        self.owner, self.feature, self.column, self.key, self.instant = owner, feature, column, dict(key), instant


class ValueTooLarge(FeaturePlatformError):
    """A value of lists, arrays or structs that is larger than a feature may be; nothing was written."""

    def __init__(self, owner: str, feature: str, key: Mapping[str, object], keys: int, size: str, most: str) -> None:
        whose = join_names(f"{name}={value!r}" for name, value in key.items()) if key else "all rows"
        super().__init__(
            f"{owner}: feature `{feature}` is larger than a feature may be ({most}) in {keys:,} key(s), first that of "
            f"{whose}: {size}. Keep fewer numbers or shorter texts, or store the value elsewhere and its address here."
        )


class TooManyPairs(FeaturePlatformError):
    """More pairs of moments and candidates than negatives are chosen from."""

    def __init__(self, owner: str, moments: int, candidates: int, most: int) -> None:
        super().__init__(
            f"{owner} would choose among {moments:,} moments of positives x {candidates:,} candidates, "
            f"{moments * candidates:,} pairs; {most:,} are the most. Give fewer positives or candidates: a share of "
            "them by fp.Spine.events(share=...), or a source with a filter in its `prepare`."
        )


class TransformFailed(FeaturePlatformError):
    """The function of a declaration fails on the rows it is given."""

    def __init__(self, owner: str, role: str, found: str, remedy: str) -> None:
        super().__init__(f"{owner}: {role} {found}. {remedy}")


class WrongListLength(TransformFailed):
    """A list that is not as long as the array that a view declares.

    It is found inside a query: Polars makes the error anew of its message alone, and adds lines to it.
    """

    def __init__(self, sentence: str) -> None:
        FeaturePlatformError.__init__(self, sentence)


class NotTheSameInParts(FeaturePlatformError):
    """A function whose rows depend on how time was cut, in a table that is computed part by part."""

    def __init__(self, owner: str, role: str, seen: str, remedy: str) -> None:
        super().__init__(
            f"{owner}: {role} gives other rows for parts of the time range than for all of it: {seen}. {remedy}"
        )


class NotRepeatable(FeaturePlatformError):
    """A function that gives other rows for the same rows: it uses random numbers or the clock."""

    def __init__(self, owner: str, role: str, seen: str) -> None:
        super().__init__(
            f"{owner}: {role} gives other rows when it gets the same rows again: {seen}. "
            "Give random numbers a seed, and take the time from a column, not from the clock."
        )


class SourceUnreadable(FeaturePlatformError):
    """A source that cannot be read: a missing file, a malformed one."""

    def __init__(self, source: str, location: str, reason: str, remedy: str) -> None:
        super().__init__(f"Source `{source}` cannot be read from {location}: {reason}. {remedy}")


class NoRowsYet(SourceUnreadable):
    """A source with columns but without a row, so that the types of its columns are not known."""

    def __init__(self, source: str, location: str, columns: Iterable[str]) -> None:
        super().__init__(
            source,
            location,
            "it has a header but no rows, so that the types of its columns are not known",
            f"Wait for the first rows, or give the type of each column in `types`: {join_names(columns)}.",
        )


class ExpectationsFailed(FeaturePlatformError):
    """Critical expectations failed, so nothing was published and the last good version stays."""

    def __init__(self, asset: str, failures: Mapping[str, str], quarantine: str | None) -> None:
        lines = "; ".join(f"{name}: {found}" for name, found in failures.items())
        quarantined = f" The refused rows are in `{quarantine}`." if quarantine else ""
        super().__init__(f"`{asset}` was not published: {lines}.{quarantined} The last good version stays.")


class UnsupportedExpectation(FeaturePlatformError):
    """An expectation that Great Expectations or the Polars engine does not know."""

    def __init__(self, expectation: str, known: Iterable[str], reason: str | None = None) -> None:
        why = "" if reason is None else f": {reason}"
        super().__init__(f"Expectation `{expectation}` is not supported{why}. Supported: {join_names(known)}.")


class IncompleteTablesRefused(FeaturePlatformError):
    """Features would be read from tables of which some partitions are stale, or were made without a column."""

    def __init__(self, owner: str, tables: Iterable[str]) -> None:
        super().__init__(
            f"{owner} reads tables that are not complete: {'; '.join(tables)}. Materialize those partitions, "
            'or pass stale="warn" to read them as they are.'
        )
