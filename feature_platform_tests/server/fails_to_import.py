"""The shop, in a module that workers cannot import."""

from multiprocessing import parent_process

from feature_platform_tests.server.declared import shop_service

__all__ = ["shop_service"]

if parent_process() is not None:
    raise FileNotFoundError("the file of holidays is missing")
