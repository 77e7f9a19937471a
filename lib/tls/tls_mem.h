/* tls_mem: wolfSSL's memory.
 *
 * wolfSSL is compiled to call these three functions.  Its heap hint is the
 * allocator of a node; without one (library-wide state) libc's is used.
 * wolfSSL frees some blocks with another hint than it asked with, so each
 * block remembers where it came from. */
#ifndef HS2NI_TLS_TLS_MEM_H
#define HS2NI_TLS_TLS_MEM_H

#include <stddef.h>

/* heap is a const struct hs2n_mem * or NULL; type is wolfSSL's tag, unused. */
void *hs2ni_tls_malloc(size_t len, void *heap, int type);
/* As C's realloc: NULL leaves the old block as it was. */
void *hs2ni_tls_realloc(void *ptr, size_t len, void *heap, int type);
/* NULL is allowed. */
void hs2ni_tls_free(void *ptr, void *heap, int type);

#endif /* HS2NI_TLS_TLS_MEM_H */
