"""Foreign writes: partitions that something else than the platform wrote, until the platform writes them again."""

from collections.abc import Iterator

from feature_platform.ground.findings import FindingKind
from feature_platform.monitoring.alerting import CheckedScope, Evaluation, Finding
from feature_platform.monitoring.watching.advice import advice
from feature_platform.monitoring.watching.project_snapshot import ProjectSnapshot, owner_name_of
from feature_platform.offline.log_facts import commits_since


def check_foreign_writes(snapshot: ProjectSnapshot) -> Iterator[Evaluation]:
    """Yield one evaluation for each table with new versions. The alert ends when no partition is foreign any more."""
    for asset in snapshot.project.assets:
        version_range = snapshot.new_versions(asset.asset)
        if version_range is None:
            continue
        name = f"foreign_write/{asset.asset}/{version_range.id}@{version_range.upto}"
        states = snapshot.store.partition_states(asset.asset, version_range.upto)
        versions = {key: each.version for key, each in states.items() if each.hash is None and each.version is not None}
        if not versions:
            yield Evaluation(name, (), (CheckedScope(asset.asset, FindingKind.FOREIGN_WRITE, conclusive=True),))
            continue
        new = {key: version for key, version in versions.items() if version > version_range.after}
        location = snapshot.store.location(asset.asset)
        oldest, newest = min(new.values(), default=0), max(new.values(), default=0)
        commits = {each.version: each for each in commits_since(location, oldest - 1, newest)} if new else {}
        findings = tuple(
            Finding(
                asset.asset,
                FindingKind.FOREIGN_WRITE,
                "critical",
                f"version {version} ({commits[version].operation}, {commits[version].at:%Y-%m-%d %H:%M} UTC) "
                "was not written by the platform",
                key,
                owner=owner_name_of(asset),
                remedy=advice(FindingKind.FOREIGN_WRITE, asset.asset),
                at=commits[version].at,
            )
            for key, version in sorted(new.items())
        )
        if findings:
            yield Evaluation(name, findings)
