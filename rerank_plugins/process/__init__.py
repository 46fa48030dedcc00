"""The process and its machine.

In: names of libraries, packages and folders. Out: imported libraries, versions, processors, memory.
Work that changes the process's state takes turns here. Private to the package: every room may call
it.
"""
