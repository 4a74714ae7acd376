"""What can go wrong while the embedded platform is prepared, started or stopped."""

from __future__ import annotations


class PlatformError(Exception):
    """Ends the command; its text is all that the user sees, so it says what to do."""


class RouteUnavailableError(Exception):
    """One way to get a part does not work on this machine; the next way is tried."""


class DataVersionError(RouteUnavailableError):
    """A program is of a version that cannot open the data that are there."""


class SetUpError(Exception):
    """A part answers but cannot be set up now; tried again until the time for the start is over.

    `final`: trying again cannot help, because the part has refused what it was given.
    """

    def __init__(self, text: str, *, final: bool = False) -> None:
        super().__init__(text)
        self.final = final
