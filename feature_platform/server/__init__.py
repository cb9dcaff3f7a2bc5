"""The feature server: HTTP around the online store, for models in production.

A bare ASGI application on uvicorn. It holds no rule about values: those are in `serving/` and below.
"""
