"""Downloads model weights to a volume and verifies them.

`python -m imagerift_core.weights_download` runs in a Job that the operator makes of a
`ModelWeights`. It holds no right in the cluster: it is told what to fetch by its environment, says
how far it is at a port, and how it ended in its termination message.
"""
