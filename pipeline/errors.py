"""The exceptions that mean: the user can mend this, or a scheduler."""

GO_ON = 75
"""Exit status of what should be started again: EX_TEMPFAIL of <sysexits.h>."""


class UserError(Exception):
    """A fault in what the user gave: config, data card, file, disk.

    The message says what is wrong, with which value, what is allowed, and what to do. It is shown without a traceback
    and ends the command with exit status 2.
    """


class OutOfTime(UserError):
    """A scheduler said that the time is nearly up; what can be saved is saved, and the step should be started again.

    Ends a worker with exit status GO_ON.
    """
