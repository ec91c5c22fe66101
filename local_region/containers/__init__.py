"""What runs inside a job's or an endpoint's process: stand-ins for SageMaker's own container images."""
