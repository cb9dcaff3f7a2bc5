"""Working columns: every column that the platform adds to frames and tables of users, by name.

All names begin with one prefix. Columns of users do not: they are refused where they enter, so that none is lost.
"""

from collections.abc import Container, Iterable

from feature_platform.ground.errors import WrongColumnName

PREFIX = "fp_"

# in tables
PARTITION = "fp_partition"  # the partition of a row
ROW = "fp_row"  # the place of a row in a table that keeps the order of its frame
SPOOL = "fp_spool"  # the incarnation of the spool that a pushed row was taken by
PUSH = "fp_push"  # the number of its push
PUSH_ROW = "fp_push_row"  # its place in its push
ARRIVED_AT = "fp_arrived_at"  # when its push arrived

# in what a database answers
SLICE = "fp_slice"  # the stretch of time that a row is of, as the server cuts it

# online
KEY = "fp_key"  # the bytes under which an entry is stored
ENTRY = "fp_entry"  # the bytes of an entry
TILE = "fp_tile"  # the number of the tile of an event
ENTITY = "fp_entity"  # the number of the entity that an event is of
EVENT_TAG = "fp_tag"  # of a pushed event: `<tag of the push>:<number, 9 digits>`; null for the others
EVENT_NUMBER = "fp_place"  # the place of an event among those of its push
PUSH_TAG = "fp_push_tag"  # the tag of the push that an entry is of
PUSHED_BY = "fp_pushed_by"  # the tag of the push that a row is of, where several are made entries of at once
MEMBER = "fp_member"  # the place in its union of the member that a row is of; null where that is not known
KEYLESS_ROW = "fp_number"  # the number of a row, which stands for its key
EVENT_MOMENT = "fp_event"  # the event time of a row
KNOWN_MOMENT = "fp_known"  # when it was known
IS_VISIBLE = "fp_seen"  # whether it is seen now
IS_FOLLOWED = "fp_more"  # whether another row of its key follows
NOW = "fp_now"  # the moment of a request

# in joins and windows
KEY_PART = "fp_key_part_"  # and a number: a part of a key in the type that both sides share
KEY_CODE = "fp_code"  # the number of a key
SPINE_ROW = "fp_spine_row"  # the place of a row in its spine
MOMENT = "fp_moment"  # the moment that windows end at
TICKS = "fp_ticks"  # that moment, or an event time, in microseconds
KNOWN_TICKS = "fp_known_ticks"  # when an event was known, in microseconds
RUN_PLACE = "fp_run_place"  # the place of an event in its table
LINE = "fp_line"  # key and time as one number
EVENT_PLACE = "fp_event_place"  # the place of an event among those that are enriched
EVENT_PARTITION = "fp_event_partition"  # the partition of an event
UNTIL_TICKS = "fp_until_ticks"  # when a stretch of time ends, in microseconds
OTHER_VALUES = "fp_other_values"  # the values of a row in another version of its table
VERSION_PLACE = "fp_version_place"  # the place of a version of an event among all
VERSION_FROM = "fp_version_from"  # from when on it counts, in microseconds
VERSION_UNTIL = "fp_version_until"  # and until when
EVENT_TICKS = "fp_event_ticks"  # and the time of each, in microseconds
HAS_ROW = "fp_has_row"  # whether the key of an event has a row at the instant that it sees
DEFAULT_ROW = "fp_default"  # behind the name of a column: its value in the default row of that instant
BUCKET = "fp_bucket"  # the bucket of a key
RANGE = "fp_range"  # the number of a window
MASKED = "fp_masked"  # the values of the events that count in a window
HAS_EVENTS = "fp_has_events"  # whether there is an event in a window
INSTANT = "fp_instant"  # the instant of a cadence that a spine row reads
COVERED = "fp_covered"  # up to when a table is complete, for the label of a row
WHEN_FOUND = "fp_when_found"  # the time of the row that is a label
INPUT = "fp_input_"  # and a reference: an input of an on-demand view that is not shown

# in lifetimes
SLOT = "fp_slot_"  # and a number: what a lifetime keeps of each event, and of all events that a state stands for

# in spines
FIRST_INSTANT = "fp_first_instant"  # the place of the first instant at which an event is seen
PAST_INSTANT = "fp_past_instant"  # the place past the last one whose window holds it
WANTED = "fp_wanted"  # how many positives there are at a moment
CANDIDATE_FROM = "fp_candidate_from"  # from when on a candidate is one

# in plans, transforms and samples
MARK = "fp_mark"  # tells which rows a plan keeps
RESULT = "fp_result"  # of an expression that is tried
VALUES = "fp_values"  # from which an imputation learns
GROUP = "fp_group"  # the group that an imputation learns from
IN_BEFORE = "fp_in_before"  # whether the earlier of two versions has a row
IN_AFTER = "fp_in_after"  # whether the later one has it
AFTER = "fp_after_"  # and a column: its value in the later version
SEEN = "fp_seen_row_"  # and a number: whether an event sees a row of the table that enriches it as the so-manieth
SEEN_CLOCK = "fp_seen_clock_"  # and the same number and a column: a clock of that row
OCCURRENCE = "fp_occurrence"  # how many equal rows come before a row
HASH = "fp_hash"  # of a key that may be drawn

# while tables are made, checked and watched
STORED_CURSOR = "fp_stored"  # the cursor of a row in the table that rows of a pipeline are merged into
UNIT = "fp_unit"  # the unit of a source that a row lies in
PARTITION_START = "fp_start"  # when the partition of a row begins
PART = "fp_part"  # the part of a run that a row is made in
LAST_PUSH = "fp_last_push"  # the last push that a partition was made with
FRAME = "fp_frame"  # the number of the frame that a row is of
FILE = "fp_file"  # the number of the file that a row is in
PROFILED_ROW = "fp_profiled_row"  # the number of a row that may be profiled
WINDOW = "fp_window"  # the window of a profile that a row is in
CHECKED_ROW = "fp_checked_row"  # the number of a row that expectations check
BROKEN = "fp_broken_"  # and a number: whether a row breaks an expectation


def refuse_working_names(owner: str, names: Iterable[str], known: Container[str] = ()) -> None:
    """Refuse columns of a user that have the prefix of working columns.

    Args:
        known: columns that may have it: those that the platform added, or that a table has from before.

    Raises:
        WrongColumnName: names the first one.
    """
    for name in names:
        if name.startswith(PREFIX) and name not in known:
            fault = f"begins with `{PREFIX}`, which is reserved for columns that the platform adds"
            raise WrongColumnName(owner, name, fault, f"Rename it, e.g. `.rename({{{name!r}: 'x'}})`.")
