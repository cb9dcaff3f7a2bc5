"""How a project is started: what a file of data is taken for, and the files that are written from that."""
