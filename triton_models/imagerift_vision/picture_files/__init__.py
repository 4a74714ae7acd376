"""Which source pictures are taken, and how their files are opened and decoded.

Core (for the API) and the models each have this package, the same to the last byte: neither can
import the other, and both must say the same of every file. A test holds the two equal; after a
change, copy the folder. It needs Pillow and nothing else.
"""
