/* hooks: where wolfSSL gets its memory and its randomness.
 *
 * wolfSSL is compiled to call these four functions.  Its heap hint is the
 * struct hs2ni_env of a node; without one (library-wide state) memory is
 * libc's and there is no randomness.  wolfSSL frees some blocks with another
 * hint than it asked with, so each block remembers where it came from. */
#ifndef HS2NI_TLS_HOOKS_H
#define HS2NI_TLS_HOOKS_H

#include <stddef.h>

/* n bytes; heap is a struct hs2ni_env * or NULL; type is wolfSSL's tag,
 * unused. */
void *hs2ni_hook_malloc(size_t n, void *heap, int type);
/* As C's realloc: NULL leaves the old block as it was. */
void *hs2ni_hook_realloc(void *p, size_t n, void *heap, int type);
/* NULL is allowed. */
void hs2ni_hook_free(void *p, void *heap, int type);

/* Fills out from env->rand.  Returns 0, or wolfSSL's RNG_FAILURE_E, which
 * ends the handshake that asked. */
int hs2ni_hook_random(void *heap, unsigned char *out, unsigned len);

#endif /* HS2NI_TLS_HOOKS_H */
