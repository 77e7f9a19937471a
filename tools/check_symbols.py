#!/usr/bin/env python3
"""Headers, version scripts and built libraries must name the same functions."""
import pathlib
import re
import subprocess
import sys

root, libraries = pathlib.Path(sys.argv[1]), sys.argv[2:]
declared, mapped = set(), set()
bad = 0
for header in (root / 'include').rglob('*.h'):
    declared |= set(re.findall(r'HS2N_API\b[^;{}]*?\b(hs2n_\w+)\s*\(', header.read_text()))
for version_script, library in zip(libraries[::2], libraries[1::2]):
    nm = subprocess.run(['nm', '-D', '--defined-only', library], capture_output=True, text=True, check=True).stdout
    have = {line.split()[-1].split('@')[0] for line in nm.splitlines() if line.split()[-2] != 'A'}
    need = set(re.findall(r'^\s+(hs2n_\w+);', (root / version_script).read_text(), re.M))
    for name in sorted(have ^ need):
        print(f'{version_script}: {name} is not both mapped and exported')
        bad += 1
    mapped |= need

for title, have, need in (('declared but not mapped', declared, mapped), ('mapped but not declared', mapped, declared)):
    for name in sorted(have - need):
        print(f'{title}: {name}')
        bad += 1
sys.exit(bad != 0)
