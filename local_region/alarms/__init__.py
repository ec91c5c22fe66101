"""CloudWatch's metric alarms: moto keeps them, the region evaluates them."""
