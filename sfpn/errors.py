"""The one exception that stands for a mistake in what the user gave us, and what other exceptions say in one line."""

from __future__ import annotations


class UserError(ValueError):
    """Bad input. Its message is one clear sentence: which input, what is wrong with it, and what to do.

    Entry points print it on stderr and exit with status 2; the app shows it as a message.
    """


def one_line(error: BaseException) -> str:
    """What an exception says, as one line of UTF-8 text without the machine's paths."""
    if isinstance(error, OSError) and error.strerror:
        said = error.strerror
    elif isinstance(error, OSError | UserError):
        said = str(error)
    else:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return " ".join(said.encode("utf-8", "backslashreplace").decode().split())
