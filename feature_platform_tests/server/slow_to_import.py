"""The shop, in a module that workers need eight seconds for, in which they do not answer: the interpreter is held."""

import ctypes
from multiprocessing import parent_process

from feature_platform_tests.server.declared import shop_service

__all__ = ["shop_service"]

if parent_process() is not None:
    ctypes.PyDLL(None).usleep(8_000_000)
