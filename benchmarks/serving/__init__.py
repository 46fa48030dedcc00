"""Services over HTTP under load, each in a process of its own, and what they are compared with."""
