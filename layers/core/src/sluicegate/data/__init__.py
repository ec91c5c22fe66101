"""Files and tables, with DuckDB: reading uploads, building data sets. Memory stays bounded whatever their size."""
