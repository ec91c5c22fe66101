"""The only place that knows which adapter is real. Each function asks for its service; the environment is read then.

A service and its adapters are built once a process. boto3's clients are made when an adapter that needs them is. Each
module serves a few functions of one kind: what it names is imported when one of them starts, and somebody waits.
"""
