"""EventBridge in the local region: delivery of events to targets, and schedules."""
