#!/usr/bin/env python3
"""Which requirements have a test.

A test names them: /* covers: N07, X1 */

covers.py --check    fails on a comment that is not of that form
covers.py            prints each id found, with its files
covers.py ID...      the same for these ids; fails if one has no test
"""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
found, malformed = {}, []
for folder in ('test', 'fuzz', 'bench', 'tools'):
    for path in sorted(p for p in (root / folder).rglob('*') if p.is_file() and 'seeds' not in p.parts and p.name != 'covers.py'):
        text = path.read_text(errors='replace')
        for m in re.finditer(r'(?:/\*|#)[ *]*covers\b([^*\n]*)', text, re.I):
            where = f'{path.relative_to(root)}:{text.count(chr(10), 0, m.start()) + 1}'
            if re.fullmatch(r': [NHPGDX]\d{1,2}(, [NHPGDX]\d{1,2})* ?', m.group(1)):
                for name in re.findall(r'\w+', m.group(1)):
                    found.setdefault(name, []).append(where)
            else:
                malformed.append(where)

args = sys.argv[1:]
if args == ['--check']:
    for where in malformed:
        print(f'{where}: write /* covers: N07, X1 */')
    sys.exit(bool(malformed))


def order(name):
    return name[0], int(name[1:])


missing = False
for name in args or sorted(found, key=order):
    print(f'{name}: {", ".join(found.get(name, ["no test"]))}')
    missing |= name not in found
sys.exit(missing)
