"""Worker processes, forked from a zygote that has the heavy modules loaded already."""
