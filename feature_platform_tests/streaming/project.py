"""The project of cards that pay, as commands load it: brokers and topic come from the environment."""

import os
from pathlib import Path

from feature_platform_tests.streaming.payments import Payments

shop = Payments(
    Path(os.environ.get("FEATURE_PLATFORM_ROOT", "store")),
    os.environ.get("TEST_BROKERS", "127.0.0.1:1"),
    os.environ.get("TEST_TOPIC", "payments"),
)
payments, last, spend = shop.source, shop.last, shop.spend
