"""order.py PROGRAM PROFILE…   a linker script that puts the functions that ran (callgrind profiles) side by side

Of our own modules that a driver needs all functions are taken too, so that a new one need not be measured at once. Names lose
what changes with every compilation: the hash of a function, the disambiguator of a crate.
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


# Modules that are busy in a driver: most of each runs. Parts of a path (`run/seat`) are modules of modules.
MODULES = """battery charge guard link quality run/poller run/seat soc""".split()


def module_pattern(path):
    """Functions of a module as the compiler names them, and those of traits and generics that are made for its types."""
    steps = path.split("/")
    return ["*dbus_bms" + "".join(f"{len(step)}{step}" for step in steps) + "*", "*dbus_bms.." + "..".join(steps) + "*"]


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
    for name in sum(map(module_pattern, MODULES), []):
        print(f"    *(.text.{name} .text.unlikely.{name})")
    for name in sorted({pattern(name) for name in ran & ours}):
        print(f"    *(.text.{name} .text.unlikely.{name})")
    print(TAIL)


main()
