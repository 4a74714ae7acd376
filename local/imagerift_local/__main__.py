"""`python -m imagerift_local`: the same as `imagerift-platform`."""

from imagerift_local.cli import app

if __name__ == "__main__":
    app()
