"""Foreign writes: partitions whose rows somebody else than the platform wrote, until the platform writes them again."""

from collections.abc import Iterator

from feature_platform.monitoring.alerting import Checked, Evaluation, Finding
from feature_platform.monitoring.watching.advice import advice
from feature_platform.monitoring.watching.look import Look, owner_of
from feature_platform.offline.standing import written_since


def foreign_writes(look: Look) -> Iterator[Evaluation]:
    """One evaluation for each table that has new versions; it is over when no partition is foreign any more."""
    for asset in look.project.assets:
        stretch = look.news(asset.asset)
        if stretch is None:
            continue
        name = f"foreign_write/{asset.asset}/{stretch.id}@{stretch.upto}"
        states = look.store.partition_states(asset.asset, stretch.upto)
        versions = {key: each.version for key, each in states.items() if each.hash is None and each.version is not None}
        if not versions:
            yield Evaluation(name, (), (Checked(asset.asset, "foreign_write", conclusive=True),))
            continue
        new = {key: version for key, version in versions.items() if version > stretch.after}
        location = look.store.location(asset.asset)
        oldest, newest = min(new.values(), default=0), max(new.values(), default=0)
        commits = {each.version: each for each in written_since(location, oldest - 1, newest)} if new else {}
        findings = tuple(
            Finding(
                asset.asset,
                "foreign_write",
                "critical",
                f"version {version} ({commits[version].operation}, {commits[version].at:%Y-%m-%d %H:%M} UTC) "
                "was not written by the platform",
                key,
                owner=owner_of(asset),
                remedy=advice("foreign_write", asset.asset),
                at=commits[version].at,
            )
            for key, version in sorted(new.items())
        )
        if findings:
            yield Evaluation(name, findings)
