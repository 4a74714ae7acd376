"""`python -m imagerift_api`, and `imagerift-api`."""


def run() -> None:
    """Runs the API until it is told to stop."""
    # Not above: the processes that look at pictures load this file, and need nothing of it.
    from imagerift_api.main import main  # noqa: PLC0415

    main()


if __name__ == "__main__":
    run()
