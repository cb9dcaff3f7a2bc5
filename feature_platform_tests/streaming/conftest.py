import pytest

from feature_platform_tests.kafka import Broker


@pytest.fixture(scope="session")
def cluster() -> Broker:
    """A cluster for all tests of this process."""
    return Broker()


@pytest.fixture
def broker(cluster: Broker) -> Broker:
    """The cluster, with a topic of its own."""
    return cluster.with_topic()
