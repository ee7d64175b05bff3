"""The one exception that stands for a mistake in what the user gave us."""


class UserError(ValueError):
    """Bad input. Its message is one clear sentence: which input, what is wrong with it, and what to do.

    Entry points print it on stderr and exit with status 2; the app shows it as a message.
    """
