#!/usr/bin/env python3
"""Headers, version script and built library must name the same functions."""
import pathlib
import re
import subprocess
import sys

root, library = pathlib.Path(sys.argv[1]), sys.argv[2]
declared = set()
for header in (root / 'include').rglob('*.h'):
    declared |= set(re.findall(r'HS2N_API\b[^;{}]*?\b(hs2n_\w+)\s*\(', header.read_text()))
mapped = set(re.findall(r'^\s+(hs2n_\w+);', (root / 'lib/hs2net.map').read_text(), re.M))
nm = subprocess.run(['nm', '-D', '--defined-only', library], capture_output=True, text=True, check=True).stdout
exported = {line.split()[-1].split('@')[0] for line in nm.splitlines() if line.split()[-2] != 'A'}

bad = 0
for title, have, need in (('declared but not mapped', declared, mapped), ('mapped but not declared', mapped, declared),
                          ('mapped but not exported', mapped, exported), ('exported but not mapped', exported, mapped)):
    for name in sorted(have - need):
        print(f'{title}: {name}')
        bad += 1
sys.exit(bad != 0)
