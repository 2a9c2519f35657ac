"""order.py PROGRAM PROFILE…   a linker script that puts the functions that ran (callgrind profiles) side by side

Names lose what changes with every compilation: the hash of a function, the disambiguator of a crate.
"""
import re
import subprocess
import sys

HEAD = """/* Written by cross/order.sh: the functions that a running driver uses, side by side. See build.rs. */
SECTIONS
{
  .text_used : ALIGN(65536)
  {"""
TAIL = """  }
}
INSERT AFTER .text;"""


def functions(profile):
    """The functions in a callgrind profile, without the suffix that tells recursion levels apart."""
    with open(profile, encoding="utf-8") as file:
        return {name.split("'")[0] for name in re.findall(r"^c?fn=\(\d+\) (\S+)$", file.read(), re.M)}


def pattern(name):
    """What the linker is to look for."""
    legacy = re.match(r"(_ZN.*17h)[0-9a-f]{16}E", name)
    return legacy.group(1) + "*" if legacy else re.sub(r"Cs[0-9A-Za-z]+_", "Cs*_", name)


def main():
    program, *profiles = sys.argv[1:]
    ran = set().union(*(functions(profile) for profile in profiles))
    symbols = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout.splitlines()
    ours = {fields[2] for fields in map(str.split, symbols) if len(fields) == 3 and fields[1] in "tTwW"}
    print(HEAD)
    for name in sorted({pattern(name) for name in ran & ours}):
        print(f"    *(.text.{name} .text.unlikely.{name})")
    print(TAIL)


main()
