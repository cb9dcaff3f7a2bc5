"""Repeatability: partitions where the same code made other rows from the same data, so something in it is random."""

from collections.abc import Iterator

from feature_platform.declarations.project import Asset
from feature_platform.ground.findings import FindingKind
from feature_platform.monitoring.alerting import CheckedScope, Evaluation, Finding
from feature_platform.monitoring.watching.advice import advice
from feature_platform.monitoring.watching.project_snapshot import ProjectSnapshot, owner_name_of
from feature_platform.offline.log_facts import LoggedCommit

KIND = FindingKind.UNREPEATABLE


def check_repeatability(snapshot: ProjectSnapshot) -> Iterator[Evaluation]:
    """Yield one evaluation for each table that has new versions and ever had such a partition.

    It lasts until a run of other code has written the table: a run that happens to give the same rows proves nothing.
    """
    for asset in snapshot.project.assets:
        version_range = snapshot.new_versions(asset.asset)
        if version_range is None:
            continue
        written = [each for each in snapshot.commits(asset.asset) if each.kind == "replace"]
        marked = [each for each in written if each.unrepeatable]
        if not marked:
            continue
        name, newest = f"{KIND}/{asset.asset}/{version_range.id}@{version_range.upto}", marked[-1]
        if written[-1].code_version != newest.code_version:
            yield Evaluation(name, (), (CheckedScope(asset.asset, KIND, conclusive=True),))
        elif newest.version > version_range.after:
            yield Evaluation(name, (_finding(asset, newest),))


def _finding(asset: Asset, commit: LoggedCommit) -> Finding:
    keys = commit.unrepeatable
    which = "the table" if keys == ("",) else f"{len(keys)} partition{'s' * (len(keys) > 1)} ({keys[0]} first)"
    return Finding(
        asset.asset,
        KIND,
        "warning",
        f"version {commit.version} holds other rows of {which} than the same code had made from the same data",
        keys[0],
        owner=owner_name_of(asset),
        remedy=advice(KIND, asset.asset),
    )
