"""Run background jobs in workers, without losing any.

The outbox row is the source of truth; RQ only transports its id. `queues.dispatch` enqueues a row after the commit,
`runner.perform` does it, `sweeper.sweep` enqueues again what was lost on the way.
"""
