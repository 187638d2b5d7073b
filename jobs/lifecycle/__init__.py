"""The only code that writes the status of a job, an attempt or a worker.

Each verb is one transaction of guarded statements: it names the state it expects and says what
it moved. Having moved nothing is a normal outcome: somebody else was first.

Lock order everywhere: worker, then attempt, then job, each by ascending id.
"""
