"""picture.py SAID SVG   draws the last screen printed by `can monitor` between the marks of tests/gx/can_day.sh"""
import io
import sys

from rich.console import Console
from rich.text import Text

said = open(sys.argv[1], encoding='utf-8', errors='replace').read()
screen = said.split('GUEST-SCREEN-BEGIN')[1].split('GUEST-SCREEN-END')[0].split('\x1b[H')[-1]
lines = screen.split('\x1b[J')[0].replace('\x1b[K', '').replace('\r', '').rstrip('\n').split('\n')
console = Console(record=True, width=max(60, max(len(Text.from_ansi(line)) for line in lines) + 1), file=io.StringIO())
for line in lines:
	console.print(Text.from_ansi(line), soft_wrap=True)
svg = console.export_svg(title='dbus-bms can monitor vcan0', unique_id='can-monitor')
# No embedded font: the reader's monospace font is used.
start = svg.find('@font-face')
while start >= 0:
	svg = svg[:start] + svg[svg.index('}', start) + 1:]
	start = svg.find('@font-face')
svg = svg.replace('Fira Code', 'DejaVu Sans Mono')
svg = '\n'.join(line.rstrip() for line in svg.split('\n'))
open(sys.argv[2], 'w', encoding='utf-8').write(svg)
