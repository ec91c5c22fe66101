"""The HTTP side of the functions behind API Gateway: reading proxy events, making answers and problems."""
