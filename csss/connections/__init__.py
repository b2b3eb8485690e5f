"""Connections that occupy no thread while they wait: for a request, for a slow reader, or for the next request.

The worker's single event loop collects each request and gives it to a thread when its head is complete, including
the body if that is small. A thread reads a long body (a picture, or a chunk of one), at no less than `rates.LEAST`,
and only part of the threads may do so. The event loop also sends what the client does not accept of an answer at
once.
"""
