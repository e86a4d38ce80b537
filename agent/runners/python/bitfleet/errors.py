"""What ends an execution otherwise than by its last checkpoint."""


class Unsupported(Exception):
    """A computation that the library does not have. A value with a reason, and no error."""


class BitfleetError(Exception):
    """An error with one of the codes of shared/errors.ts; the message names the thing, the fact and the remedy."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code
