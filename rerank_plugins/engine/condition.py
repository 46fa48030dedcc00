"""A condition variable that an exception of a signal handler cannot leave locked."""

import threading


class SafeCondition(threading.Condition):
    """`threading.Condition`, whose `with` takes the lock in one step of C.

    The original does it in a method of Python: Ctrl-C that comes after the lock is taken and before
    the method returns leaves it taken for ever, and whoever needs it waits for ever.
    """

    __enter__ = property(lambda self: self._lock.__enter__)
    __exit__ = property(lambda self: self._lock.__exit__)
