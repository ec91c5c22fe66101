"""A package of its own, so that one of the same name among the installed ones never takes its place."""
