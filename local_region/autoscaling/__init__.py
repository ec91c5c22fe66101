"""Application Auto Scaling for the instances of endpoint variants."""
