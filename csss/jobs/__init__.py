"""What the workers do, and how work reaches them without getting lost.

The outbox row is the truth, RQ only carries its id: `queues.dispatch` hands a row over after the commit,
`runner.perform` does it, `sweeper.sweep` hands over again what was lost on the way.
"""
