"""Profiles of declared tables: makes those of partitions that were committed without a profile."""

from collections.abc import Sequence

from feature_platform.declarations.label import Label
from feature_platform.declarations.source import Source
from feature_platform.declarations.spine import Spine
from feature_platform.declarations.training_set import TrainingSet
from feature_platform.declarations.view import FeatureView
from feature_platform.offline import OfflineStore
from feature_platform.pipelines.candidates.shared import profile_spec_of
from feature_platform.pipelines.profiling import heal_profiles


def profile_missing(
    asset: Source | FeatureView | Label | Spine | TrainingSet,
    store: OfflineStore,
    run_id: str,
    partitions: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """Make the profiles of an asset's committed partitions that have none; see `profiling.heal_profiles`.

    Args:
        partitions: the partitions to check; all when None.

    Raises:
        TableNotFound: nothing of the asset was committed.
    """
    return heal_profiles(asset.asset, store, profile_spec_of(asset), run_id, partitions)
