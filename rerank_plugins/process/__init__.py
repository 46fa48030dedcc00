"""The process and its machine.

In: names of libraries, folders. Out: imported libraries, processors, memory; whatever changes the
process's state is taken in turn here. Private to the package: every room may call it.
"""
