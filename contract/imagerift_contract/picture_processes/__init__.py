"""Processes in which strangers' pictures are read: one a picture, within bounds, killable."""
