"""Lambda in the local region: functions, layers, asynchronous calls and SQS event source mappings."""
