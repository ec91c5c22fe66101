"""SageMaker: jobs and endpoints as processes that follow SageMaker's container contract. See
``docs/sagemaker-in-the-region.md`` for what is done, what is recorded only and what is refused."""
