"""S3, CloudWatch Logs and CloudWatch metrics for the region's own parts, in process over moto's backends."""
