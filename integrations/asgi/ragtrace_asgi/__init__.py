"""ASGI: every request of a web application is a ragtrace request, for whom its edge vouches."""

from ragtrace_asgi._claims import Claims
from ragtrace_asgi._jwt import Jwt
from ragtrace_asgi._middleware import AsgiMiddleware
from ragtrace_asgi._proxy import Proxy
from ragtrace_asgi._unknown import UnknownCaller

__all__ = ["AsgiMiddleware", "Claims", "Jwt", "Proxy", "UnknownCaller"]
