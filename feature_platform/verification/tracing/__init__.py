"""One value traced: to the row or window that made it, the commit that wrote it, and the rows of its source."""
