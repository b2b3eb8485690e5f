"""Connections that hold no thread while they wait: for a request to arrive, for a slow reader, or for the next request.

The worker's one event loop gathers each request and gives it to a thread when its head has come whole, with the body where
that is small. A long body (a picture, or a piece of one) is read by a thread, at no less than `rates.LEAST`, in a share of
the threads. What the other side does not take of an answer at once is sent by the event loop, too.
"""
