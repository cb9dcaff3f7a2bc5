"""The ground, on which every other room stands: errors, time, hashes, progress, pictures. It imports no other room."""
