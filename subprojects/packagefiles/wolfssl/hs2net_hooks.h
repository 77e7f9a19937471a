/* hs2net_hooks.h: included before every source of wolfSSL.
 *
 * wolfSSL's random generators have no state of their own: each block comes
 * from the node whose heap hint the generator carries. */
#ifndef HS2NET_HOOKS_H
#define HS2NET_HOOKS_H

#ifndef __ASSEMBLER__
int hs2ni_hook_random(void *heap, unsigned char *out, unsigned int len);
#endif

/* Expanded inside of wc_RNG_GenerateBlock, where the generator is `rng`. */
#define HS2NET_RANDOM_BLOCK(out, len) hs2ni_hook_random(rng->heap, (out), (len))

#endif /* HS2NET_HOOKS_H */
