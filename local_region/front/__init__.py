"""The region's HTTP side: the server, dispatch to the region's own services and to moto."""
