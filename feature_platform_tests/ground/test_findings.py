from feature_platform.compute.watches import WATCHES
from feature_platform.ground.findings import LEVELS, SEVERITIES, FindingKind, rank
from feature_platform.monitoring.watching.advice import advice

STORED = (
    "drift multivariate volume schema unit constant dead duplicate_keys unknown_keys imputed_share foreign_write "
    "unrepeatable freshness late_partition rows_gone expectations run"
)


def test_the_text_of_a_kind_stands_in_tables_and_never_changes() -> None:
    assert [each.value for each in FindingKind] == STORED.split()


def test_there_is_advice_for_each_kind_and_each_watch_is_a_level() -> None:
    assert len({advice(kind, "a") for kind in FindingKind}) == len(FindingKind)
    assert {watch.kind for watch in WATCHES} <= {*LEVELS}


def test_severities_are_named_in_rising_order() -> None:
    assert [rank(each) for each in SEVERITIES] == [0, 1, 2]
