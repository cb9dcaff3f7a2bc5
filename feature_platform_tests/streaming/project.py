"""The project of cards that pay, as commands load it: brokers and topic come from the environment."""

import os
from pathlib import Path

from feature_platform_tests.streaming.payments import Payments

shop = Payments(Path(os.environ["FEATURE_PLATFORM_ROOT"]), os.environ["TEST_BROKERS"], os.environ["TEST_TOPIC"])
payments, last, spend = shop.source, shop.last, shop.spend
