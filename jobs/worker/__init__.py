"""What runs in the processes of a worker.

`runworker` is the supervisor: one thread for processes, pipes and deadlines, one, the ledger, for
the database. Below it the launcher forks, reaps and kills the children that run the jobs.
"""
