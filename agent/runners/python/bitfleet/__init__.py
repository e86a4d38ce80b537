"""The runner of Python's libraries; see README.md beside it."""
