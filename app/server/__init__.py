"""The process: the HTTP server, connections, shutdown, CPUs, open files and the log."""
