"""API Gateway (REST) in the local region."""
