"""For the server alone that forks the shards' processes, which imports it first: it ends with the process it serves.

Its processes end with it (`die_with_parent` too), so that the kernel ends them all, however the first one was killed.
The server's own watch over that one is no help: each process that it forked keeps it open.
"""

from pipeline.processes import die_with_parent

die_with_parent()
