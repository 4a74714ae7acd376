"""Building container images without a container engine, from the lists in `images/`."""
