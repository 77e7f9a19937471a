#!/usr/bin/env python3
"""Fails when an object of lib/ needs a symbol that tools/layers.txt keeps from its module.

check_links.py ROOT CORE_ARCHIVE IO_ARCHIVE SIM_ARCHIVE

What check_layers.py says of includes holds for what is linked: a module needs
symbols of the modules below it alone, third-party symbols of what it owns,
and the core nothing of the system that reads a clock, does I/O or draws
randomness.
"""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(sys.argv[1])
allow, owners, besides = {}, {}, {}
for line in (root / 'tools/layers.txt').read_text().splitlines():
    line = line.split('#')[0].strip()
    if line:
        name, _, rest = line.partition(':')
        table = owners if name.startswith('!') else besides if name.startswith('=') else allow
        table[name.lstrip('!=')] = rest.split()

THIRD_PARTY = {'ngtcp2': r'ngtcp2_', 'wolfssl': r'wolf(SSL|TLS)|wc_', 'cbor': r'_?cbor_', 'zstd': r'ZSTD_', 'lz4': r'LZ4_'}
# All that the core has of the C library; __ is the compiler's and its sanitizers'.
SYSTEM = r'__|_GLOBAL_OFFSET_TABLE_$|(mem|str)\w+$|bcmp$|v?snprintf$'
SYSTEM_OF = {'base': r'(calloc|malloc|free)$'}  # lib/base/mem.c
USERS = ('io', 'sim')  # of public names alone, like any user
INSTRUMENTS = r'(asan|tsan|ubsan|sancov|gcov|llvm)'

needs, home = set(), {}
for archive in sys.argv[2:]:
    out = subprocess.run(['nm', '-A', archive], capture_output=True, text=True, check=True).stdout
    for path, kind, symbol in re.findall(r'(\w+\.c)\.o:[0-9a-f ]* ([A-Za-z]) (\S+)$', out, re.M):
        module = path.split('_')[0]
        if kind == 'U':
            needs.add((path, module, symbol))
        elif kind.isupper():
            home[symbol] = module


def why_not(module, symbol):
    """What is wrong with this need; None when nothing is."""
    if module in besides.get(symbol, []):
        return None
    if symbol in home:
        owner = home[symbol]
        if module in USERS:
            return None if owner == module or symbol.startswith('hs2n_') else 'is not public'
        return None if owner == module or owner in allow[module] else f'is of {owner}'
    for library, pattern in THIRD_PARTY.items():
        if re.match(pattern, symbol):
            return None if module in owners[library] else f'is of {library}'
    if module == 'io' or re.match(SYSTEM, symbol) or re.match(SYSTEM_OF.get(module, '$^'), symbol):
        return None
    return None if re.match(INSTRUMENTS, symbol.lstrip('_')) else 'is of the system'


wrong = sorted((path, symbol, why) for path, module, symbol in needs if (why := why_not(module, symbol)))
for path, symbol, why in wrong:
    print(f'{path} needs {symbol}, which {why}')
missing = set(allow) - {module for _, module, _ in needs} - {'link'}
if missing:  # a check that looks at nothing finds nothing
    print(f'no object of {", ".join(sorted(missing))} was seen')
sys.exit(bool(wrong or missing))
