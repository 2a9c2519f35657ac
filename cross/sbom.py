#!/usr/bin/env python3
"""sbom.py TARGET…: the program's parts as a CycloneDX 1.5 bill of materials on standard output, from Cargo.lock.

Contains only the crates in the release binaries of the TARGETs: no disabled features, no test dependencies. The same sources
give the same bytes.
"""

import json
import subprocess
import sys


def metadata(target):
    command = ["cargo", "metadata", "--locked", "--format-version=1", "--filter-platform", target]
    return json.loads(subprocess.check_output(command))


def linked(target):
    """Name and version of every crate in the binary, from the resolver: metadata would include test dependencies."""
    command = ["cargo", "tree", "--locked", "--edges=normal", "--prefix=none", "--format={p}", "--target", target]
    lines = subprocess.check_output(command, text=True).splitlines()
    return {tuple(line.split()[:2]) for line in lines if line}


def normal_edges(data, target):
    """For each package in the binary its dependencies there."""
    inside = linked(target)
    ids = {package["id"] for package in data["packages"] if (package["name"], "v" + package["version"]) in inside}
    return {
        node["id"]: [
            dep["pkg"]
            for dep in node["deps"]
            if dep["pkg"] in ids and any(kind["kind"] is None for kind in dep["dep_kinds"])
        ]
        for node in data["resolve"]["nodes"]
        if node["id"] in ids
    }


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, hashes, kind="library"):
    part = {"type": kind, "bom-ref": purl(package), "name": package["name"], "version": package["version"]}
    if package["description"]:
        part["description"] = " ".join(package["description"].split())
    part["purl"] = purl(package)
    if package["license"]:
        part["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if checksum := hashes.get((package["name"], package["version"])):
        part["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        part["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return part


def checksums():
    """Content of Cargo.lock: a list of `[[package]]`."""
    entry, found = {}, {}
    with open("Cargo.lock", encoding="utf-8") as lock:
        for line in lock:
            if line.startswith("[[package]]"):
                entry = {}
            elif " = " in line:
                key, value = line.strip().split(" = ", 1)
                entry[key] = value.strip('"')
                if key == "checksum":
                    found[entry["name"], entry["version"]] = entry[key]
    return found


def main(targets):
    packages, edges, root = {}, {}, None
    for target in targets:
        data = metadata(target)
        root = data["resolve"]["root"]
        packages.update({package["id"]: package for package in data["packages"]})
        for package, behind in normal_edges(data, target).items():
            edges[package] = sorted(set(edges.get(package, [])) | set(behind))
    hashes = checksums()
    parts = sorted((packages[package] for package in edges if package != root), key=purl)
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(packages[root], hashes, "application")},
        "components": [component(part, hashes) for part in parts],
        "dependencies": [
            {"ref": purl(packages[package]), "dependsOn": sorted(purl(packages[other]) for other in behind)}
            for package, behind in sorted(edges.items(), key=lambda edge: purl(packages[edge[0]]))
        ],
    }
    json.dump(bom, sys.stdout, indent=1, ensure_ascii=False)
    print()


main(sys.argv[1:])
