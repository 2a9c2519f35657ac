#!/usr/bin/python3
"""Bytes of the program per crate, and of our own code per folder, from the symbols of a build that kept them.

  CARGO_PROFILE_RELEASE_STRIP=none cross/build.sh      ends with a complaint about the size, because symbols count
  nm -S -C target/cross/armv7-unknown-linux-musleabihf/armv7-unknown-linux-musleabihf/release/dbus-bms | bench/sizes.py

A generic function counts for the first crate in its name that is not the standard library. Constants without a name count as such.
"""
import collections
import re
import sys

STANDARD = ('core', 'alloc', 'std', 'compiler_builtins')


def crate(name):
	found = re.findall(r'(?<![:\w])([a-z_][a-z0-9_]*)(?:\[[0-9a-f]+\])?::', name)
	return next((each for each in found if each not in STANDARD), 'standard library' if found else 'no name')


def main():
	seen, crates, folders = set(), collections.Counter(), collections.Counter()
	for line in sys.stdin:
		match = re.match(r'([0-9a-f]+) ([0-9a-f]+) ([^bB]) (.*)', line)
		if not match or match.group(1, 2) in seen:
			continue
		seen.add(match.group(1, 2))
		size, name = int(match.group(2), 16), match.group(4)
		crates[crate(name)] += size
		if crate(name) == 'dbus_bms' and (folder := re.search(r'dbus_bms(?:\[[0-9a-f]+\])?::([a-z_0-9]+)', name)):
			folders[folder.group(1)] += size
	for title, sizes in (('crate', crates), ('folder of src', folders)):
		print(f'\n{title:>20}     bytes  share of {sizes.total()}')
		for name, size in sizes.most_common():
			if size * 500 > sizes.total():
				print(f'{name:>20} {size:9}  {size / sizes.total():6.1%}')


main()
