"""The one exception that means: the user can mend this."""


class UserError(Exception):
    """A fault in what the user gave: config, data card, file, disk.

    The message says what is wrong, with which value, what is allowed, and what to do. It is shown without a traceback
    and ends the command with exit status 2.
    """
