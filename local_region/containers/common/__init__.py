"""What all stand-ins for SageMaker's containers share: the contract, formats, HTTP, failures, several hosts."""
