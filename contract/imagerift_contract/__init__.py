"""What the services and the models both have to hold to: one package that each has on its path.

The services have it installed; beside the models it lies as a folder (in a checkout a link to this
one), where nothing but the standard library and Pillow may be counted on. `documents` and
`schemas` need pydantic, so only the services import those.
"""
