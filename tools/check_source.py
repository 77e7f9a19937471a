#!/usr/bin/env python3
"""Rules that a compiler does not know.  Each has its reason, so that a reader can argue."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
LINES_MAX = 800
# (pattern, where it is allowed, why), for lib/ and include/.
# (?<![\w.>]) spares members such as mem->free(...).
RULES = [
    (r'(?<![\w.>])(malloc|calloc|realloc|free|strdup|aligned_alloc)\s*\(',
     ('lib/base/mem.c', 'lib/io/'), 'memory comes from struct hs2n_mem'),
    (r'(?<![\w.>])(clock_gettime|gettimeofday|time|clock)\s*\(',
     ('lib/io/',), 'time comes in as an argument'),
    (r'(?<![\w.>])(rand|random|srand|arc4random\w*|getrandom|getentropy|ngtcp2_crypto_random|wolfSSL_RAND_bytes)\s*\(',
     ('lib/io/',), 'randomness comes from the config'),
    (r'(?<![\w.>])(socket|sendmsg|recvmsg|sendto|recvfrom|epoll_\w+|poll|open|fopen|pthread_\w+)\s*\(',
     ('lib/io/',), 'the core does no I/O and starts no thread'),
    (r'(?<![\w.>])(strcpy|strcat|strncpy|strncat|sprintf|vsprintf|strtok|gets|atoi|atol|alloca|setjmp|longjmp)\s*\(',
     (), 'banned function'),
    (r'(?<![\w.>])(printf|fprintf|vfprintf|puts|perror|abort|exit)\s*\(',
     (), 'a library neither prints nor exits'),
    (r'^\s*(?:static|_Thread_local|thread_local)\s+(?!const\b|inline\b|_?[sS]tatic_?assert)(?:\w+[\s*]+)+\w+\s*(?:=|;|\[)',
     (), 'no mutable static state'),
]


def without_text(source):
    """Blanks comments and strings; line numbers stay."""
    def blank(m):
        if m.group(0)[0] == '/':
            return re.sub(r'[^\n]', ' ', m.group(0))
        return '""'
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, source, flags=re.S)


bad = 0


def fail(path, n, why):
    global bad
    bad += 1
    print(f'{path.relative_to(root)}:{n}: {why}')


for folder in ('include', 'lib', 'test', 'fuzz', 'bench', 'tools'):
    for path in sorted((root / folder).rglob('*.[ch]')):
        source = path.read_text()
        name = str(path.relative_to(root))
        for m in re.finditer(r'[ \t]+$|\t', source, re.M):
            fail(path, source.count('\n', 0, m.start()) + 1, 'tab or trailing space')
        if source.count('\n') > LINES_MAX:
            fail(path, LINES_MAX + 1, f'file is over {LINES_MAX} lines: split it by concern')
        if folder not in ('include', 'lib'):
            continue
        code = without_text(source)
        for pattern, places, why in RULES:
            if not name.startswith(places or ('-',)):
                for m in re.finditer(pattern, code, re.M):
                    fail(path, code.count('\n', 0, m.start()) + 1, why)
        if path.suffix == '.h':
            prefix, base = ('HS2N_', 'include/hs2net') if folder == 'include' else ('HS2NI_', 'lib')
            guard = prefix + re.sub(r'\W', '_', str(path.relative_to(root / base))).upper()
            if f'#ifndef {guard}\n#define {guard}\n' not in source:
                fail(path, 1, f'include guard must be {guard}')
sys.exit(bad != 0)
