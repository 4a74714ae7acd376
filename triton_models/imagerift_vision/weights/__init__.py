"""The networks that can take the place of the packaged ones: families, catalogue, downloads.

Needs nothing but Python: the tools beside the models use it without the models' environment.
"""
