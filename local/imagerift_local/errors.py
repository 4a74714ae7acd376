"""What can go wrong while the embedded platform is prepared, started or stopped."""

from __future__ import annotations


class PlatformError(Exception):
    """Ends the command; its text is all that the user sees, so it says what to do."""


class RouteUnavailableError(Exception):
    """One way to get a part does not work on this machine; the next way is tried."""


class PartFailedError(PlatformError):
    """A part did not become ready when the platform was started."""


class SetUpError(Exception):
    """A part answers but could not be set up now; the part is restarted and set up again."""
