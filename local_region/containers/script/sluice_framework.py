"""What AWS's toolkit calls to train (``SAGEMAKER_TRAINING_MODULE``), as in AWS's framework containers.

Copied into the environment of the scripts, where the region's own packages can't be imported.
"""

from sagemaker_training import entry_point, environment


def train() -> None:
    """Run the user's entry point; what it writes to stderr becomes part of the job's FailureReason."""
    env = environment.Environment()
    entry_point.run(
        uri=env.module_dir,
        user_entry_point=env.user_entry_point,
        args=env.to_cmd_args(),
        env_vars=env.to_env_vars(),
        capture_error=True,
    )
