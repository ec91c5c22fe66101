"""CloudFormation in the local region: templates, the SAM transform, change sets, stacks."""
