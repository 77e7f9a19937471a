#!/usr/bin/env python3
"""Fails when a file in lib/ includes what tools/layers.txt does not allow."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
allow, owners = {}, {}
for line in (root / 'tools/layers.txt').read_text().splitlines():
    line = line.split('#')[0].strip()
    if line and not line.startswith('='):
        name, _, rest = line.partition(':')
        table = owners if name.startswith('!') else allow
        table[name.lstrip('!')] = rest.split()


def allowed(module, quote, header):
    top = header.split('/')[0].removesuffix('.h')
    if quote == '<':
        return module in owners.get(top, [module])
    # "module/file.h", so that a reader sees where it comes from; the public
    # headers come in as a user sees them.
    return '/' in header and (top == module or top in allow[module])


bad = 0
for path in sorted((root / 'lib').rglob('*.[ch]')):
    module = path.relative_to(root / 'lib').parts[0]
    if module not in allow:
        print(f'{path}: module "{module}" is not in layers.txt')
        bad += 1
        continue
    for n, line in enumerate(path.read_text().splitlines(), 1):
        m = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if m and not allowed(module, *m.groups()):
            print(f'{path.relative_to(root)}:{n}: {module} may not include {m.group(2)}')
            bad += 1
sys.exit(bad != 0)
