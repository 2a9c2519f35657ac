"""Checks that print their results immediately."""
import time


class Checks:
	"""Prints the result of each check and counts the failures."""

	def __init__(self, rig, lag):
		self.rig, self.lag = rig, lag
		self.failed = 0

	def that(self, what, condition, seen=''):
		self.failed += not condition
		print('%-6s %s%s' % ('ok' if condition else 'FAILED', what, ' (%s)' % seen if seen != '' else ''), flush=True)

	def soon(self, what, look, wanted, seconds=None):
		"""Checks that `look` returns a value accepted by `wanted`, in time."""
		end = time.monotonic() + (self.lag if seconds is None else seconds)
		while True:
			value = look()
			if wanted(value) or time.monotonic() > end:
				break
			time.sleep(0.1)
		self.that(what, wanted(value), value)
		return value

	def path(self, what, service, path, wanted, seconds=None):
		accept = wanted if callable(wanted) else lambda value: value == wanted
		return self.soon('%s: %s' % (what, path), lambda: self.rig.get(service, path), accept, seconds)


def near(wanted, distance):
	return lambda value: value is not None and abs(value - wanted) <= distance
