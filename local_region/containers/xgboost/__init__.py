"""The built-in XGBoost algorithm (3.0-5), as a plain process.

Entry points for ``ProcessSpec``: ``local_region.containers.xgboost.train:main`` and
``local_region.containers.xgboost.serve:main``. Both follow SageMaker's container contract under ``SAGEMAKER_BASE_DIR``
(``/opt/ml`` on SageMaker); neither knows anything of the local region.
"""

#: XGBoost looks at the first rows that it gets whether they are one of these libraries' tables. Importing them takes
#: half a second, and one starts a thread; the container has no use for them.
COMPANIONS = ("pandas", "pyarrow")
