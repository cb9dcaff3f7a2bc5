"""Results of monitoring checks that a run does not reach, because a table before them has nothing new in it.

Dagster runs no step behind one that failed or gave nothing, and shows every check that it had planned there as one
that failed to execute, as if monitoring were broken. The step that knows the reason therefore tells it for them.
"""

from collections.abc import Iterator

import dagster as dg

from feature_platform.pictures.markdown import plain

MONITORING = "monitoring"


def monitoring_not_reached(context: dg.AssetExecutionContext, why: str) -> Iterator[dg.AssetCheckEvaluation]:
    """Yield "not judged" for each monitoring check of this run behind the asset that is computed here.

    Checks of the tables behind it, such as expectations of a view, have no result: nobody can say that they hold.

    Args:
        why: what became of the asset, as a clause.
    """
    graph = context.job_def.asset_layer.asset_graph
    for key in _behind(context):
        if key.path[0] != MONITORING:
            continue
        for check in sorted(graph.get(key).check_keys, key=lambda each: each.name):
            yield dg.AssetCheckEvaluation(
                asset_key=key,
                check_name=check.name,
                passed=True,
                metadata={"partitions_judged": dg.MetadataValue.int(0)},
                severity=dg.AssetCheckSeverity.WARN,
                description=plain(f"Not judged: {why}, so this run commits nothing new to judge."),
                blocking=False,
            )


def _behind(context: dg.AssetExecutionContext) -> list[dg.AssetKey]:
    """The assets of this run that wait for the one that is computed here, at first and second hand."""
    layer = context.job_def.asset_layer
    found: dict[dg.AssetKey, None] = {}
    ahead = [context.asset_key]
    while ahead:
        children = layer.asset_graph.get(ahead.pop()).child_keys & layer.selected_asset_keys
        new = sorted(children - found.keys())
        found.update(dict.fromkeys(new))
        ahead.extend(new)
    return list(found)
