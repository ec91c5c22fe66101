"""The framework containers: a script of one's own is trained by AWS's toolkit and served by its four functions.

``framework`` and ``serve`` run in an environment of the scripts' own (``local_region/sagemaker/environments.py``).
"""
