#!/usr/bin/env python3
"""Every public function has a comment that says what it does and on which thread, and a test that calls it."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
tests = '\n'.join(re.sub(r'/\*.*?\*/', '', p.read_text(), flags=re.S) for p in (root / 'test').rglob('*.[ch]'))
called = set(re.findall(r'\b(hs2n_\w+)\s*\(', tests))
bad = functions = 0
for header in sorted((root / 'include').rglob('*.h')):
    text = header.read_text()
    name = header.relative_to(root)
    # What may stand between a comment and its function: nothing.
    documented = dict((m[1], m[0]) for m in re.findall(
        r'(/\*\*(?:(?!\*/).)*\*/)\nHS2N_API\b[^;{}]*?\b(hs2n_\w+)\s*\(', text, re.S))
    for function in re.findall(r'HS2N_API\b[^;{}]*?\b(hs2n_\w+)\s*\(', text):
        functions += 1
        for wrong, why in ((function not in documented, 'has no comment'),
                           ('Thread:' not in documented.get(function, 'Thread:'), 'does not say its thread'),
                           (function not in called, 'is called by no test')):
            if wrong:
                print(f'{name}: {function} {why}')
                bad += 1
    if not re.search(r'/\*', text):
        print(f'{name}: says nothing of itself')
        bad += 1
if functions < 10:
    print('hardly a function was found')
    bad += 1
sys.exit(bad != 0)
