"""`python -m imagerift_api`."""

from imagerift_api.main import main

if __name__ == "__main__":
    main()
