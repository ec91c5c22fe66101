"""SageMaker's own algorithms beside XGBoost, as plain processes: one module each.

A module says what its algorithm takes (hyperparameters, channels, formats), learns with scikit-learn or numpy, and
keeps what it learned as plain arrays (``artifact.py``), with which it answers by numpy alone. Entry points:
``local_region.containers.builtin.<module>:train`` and ``:serve``.
"""
