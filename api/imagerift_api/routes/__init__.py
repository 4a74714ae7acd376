"""The routes: each parses a request, calls one service and words the answer."""
