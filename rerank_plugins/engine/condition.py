"""A lock that survives exceptions of signal handlers.

Ctrl-C, or the time limit of a task queue, can raise an exception between any two steps of Python
code on the main thread. Callers use the engine there, so the engine has to stay whole wherever such
an exception ends a call. Three rules do it: locks are taken in one step; steps that belong together
come in an order in which none of them does harm alone; and what an interrupted call left undone is
done by the engine's threads, on which no handlers run.
"""

import threading


class SafeCondition(threading.Condition):
    """`threading.Condition` whose `with` takes the lock in one step.

    The original takes it in a method written in Python. An exception between the taking of the lock
    and the return of that method would leave the lock taken for ever.
    """

    __enter__ = property(lambda self: self._lock.__enter__)
    __exit__ = property(lambda self: self._lock.__exit__)
