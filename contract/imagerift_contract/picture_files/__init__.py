"""Which source pictures are taken, and how their files are opened and decoded.

The API asks it before anything is stored, the models before any pixel is decoded, and both say
the same of every file. It needs Pillow, and pi-heif for HEIC.
"""
