#!/usr/bin/env python3
"""gui-v2/build.py VERSION OUT.json   makes the plugin for the GX's own screen, as one file, without Qt

Victron's gui-v2 (Venus OS from 3.80) loads a plugin from a JSON file that contains a Qt resource in base64: the pages of qml/ and a
Qt translation for each language of lang/. Both formats are written here, as Qt reads them; tests/gui/run.sh has Qt 6 load them.
The same sources give the same bytes.
"""
import base64
import json
import struct
import sys
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The driver's texts are translated for the dashboard.
DASHBOARD = HERE.parent / "src/output/web/page/lang"
NAME = "dbus-bms"
# The first gui-v2 whose components were compared with those used by the pages.
OLDEST = "v1.3.6"
# As in src/dbus/service/paths.rs: a battery and a bank.
BATTERY, BANK = "0xDB05", "0xDB06"
# The pages of a device with this /ProductId, in order, with the id of their title.
PAGES = [
    (BATTERY, "Cells.qml", "dbus_bms_cells"),
    (BATTERY, "Limits.qml", "dbus_bms_limits"),
    (BATTERY, "Switches.qml", "dbus_bms_switches"),
    (BATTERY, "BatterySettings.qml", "dbus_bms_settings"),
    (BANK, "Bank.qml", "dbus_bms_bank"),
    (BANK, "Limits.qml", "dbus_bms_limits"),
]


def utf16(text):
    return text.encode("utf-16-be")


def resource(files):
    """A Qt resource file (format 3): `files` are {path: bytes}, and become qrc:/path."""
    top = {}
    for path, content in files.items():
        *folders, name = path.split("/")
        folder = top
        for step in folders:
            folder = folder.setdefault(step, {})
        folder[name] = content

    def hashed(name):
        value = 0
        for (unit,) in struct.iter_unpack(">H", utf16(name)):
            value = (value << 4) + unit
            value = (value ^ (value & 0xF0000000) >> 23) & 0x0FFFFFFF
        return value

    # Breadth first, because the children of a folder are stored together; Qt finds them by their hash.
    nodes, first_child = [("", top)], {}
    for number, (_, node) in enumerate(nodes):
        if isinstance(node, dict):
            first_child[number] = len(nodes)
            nodes.extend(sorted(node.items(), key=lambda item: hashed(item[0])))
    tree, names, data = b"", b"", b""
    for number, (name, node) in enumerate(nodes):
        place = 0
        if number:
            place = len(names)
            names += struct.pack(">HI", len(utf16(name)) // 2, hashed(name)) + utf16(name)
        if isinstance(node, dict):
            tree += struct.pack(">IHIIQ", place, 2, len(node), first_child[number], 0)
        else:
            packed = struct.pack(">I", len(node)) + zlib.compress(node, 9)
            # 1: compressed; for any country (0) and any language (1).
            tree += struct.pack(">IHHHIQ", place, 1, 0, 1, len(data), 0)
            data += struct.pack(">I", len(packed)) + packed
    start = 24
    return struct.pack(">4sIIIII", b"qres", 3, start + len(data) + len(names), start, start + len(data), 0) + data + names + tree


def translation(words):
    """A Qt message file (.qm): `words` are {id: text}."""
    def hashed(text):
        value = 0
        for byte in text.encode():
            value = (value << 4) + byte
            value = (value ^ (value & 0xF0000000) >> 24) & 0x0FFFFFFF
        return value or 1

    messages, places = b"", []
    for key, text in words.items():
        places.append((hashed(key), len(messages)))
        # Its parts: 3 translation, 6 source text, 1 end.
        messages += struct.pack(">BI", 3, len(utf16(text))) + utf16(text)
        messages += struct.pack(">BI", 6, len(key.encode())) + key.encode() + b"\x01"
    hashes = b"".join(struct.pack(">II", *place) for place in sorted(places))
    magic = bytes.fromhex("3cb86418caef9c95cd211cbf60a1bddd")
    return magic + struct.pack(">BI", 0x42, len(hashes)) + hashes + struct.pack(">BI", 0x69, len(messages)) + messages


def words(language):
    """All texts in a language: those of the pages, and the translated ones of the driver."""
    ours = json.loads((HERE / f"lang/{language}.json").read_text("utf-8"))
    theirs = json.loads((DASHBOARD / f"{language}.json").read_text("utf-8"))
    said = {**theirs.get("phrases", {}), **theirs.get("patterns", {})}
    said |= {phase.capitalize(): theirs[f"mode_{phase}"] for phase in ("bulk", "absorption", "float", "hold")}
    return {**said, **ours}


def plugin(version):
    languages = sorted(path.stem for path in (HERE / "lang").glob("*.json"))
    files = {f"{NAME}/{path.name}": path.read_bytes() for path in sorted((HERE / "qml").iterdir())}
    files |= {f"{NAME}/{NAME}_{language}.qm": translation(words(language)) for language in languages}
    pages = [{"type": 1, "url": f"qrc:/{NAME}/Plugin.qml"}]
    pages += [{"type": 2, "productId": product, "url": f"qrc:/{NAME}/{page}", "title": title} for product, page, title in PAGES]
    return {
        "name": NAME,
        "version": version,
        "minRequiredVersion": OLDEST,
        "maxRequiredVersion": "",
        "translations": [f"qrc:/{NAME}/{NAME}_{language}.qm" for language in languages],
        "integrations": pages,
        "resource": base64.b64encode(resource(files)).decode(),
    }


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    Path(sys.argv[2]).write_text(json.dumps(plugin(sys.argv[1]), indent=1) + "\n", "utf-8")
