"""The front of a model server: the only thing in its pod that listens.

Triton itself is behind it on a Unix socket. The front takes the calls that the operator makes and
no others, whole and with a length, from whoever has the installation's token.
"""
