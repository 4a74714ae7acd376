"""What the services and the models both hold to: one package that each has on its path.

The services have it installed; beside the models it lies as a folder, in a checkout as a link to
this one. It needs nothing but the standard library and Pillow, which both environments have.
"""
