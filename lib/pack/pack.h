/* pack: bodies made smaller for the wire, and whole again.
 *
 * The two directions trust differently.  What is packed is our own, and the
 * question is only whether it is worth it: a sample is tried first, and what
 * does not save a tenth is left as it is.  What is inflated is a peer's: the
 * caller has checked the length that it claims against its limits, nothing is
 * written beyond that length, and anything but exactly that length is wrong.
 *
 * Working memory is of fixed size, taken when a pack is made, and only for
 * the codecs that it is made for; the codecs allocate nothing else. */
#ifndef HS2NI_PACK_PACK_H
#define HS2NI_PACK_PACK_H

#include "base/env.h"

#include <hs2net/msg.h>

/* Shorter bodies are left as they are: what they could save is less than
 * what their record costs more. */
#define HS2NI_PACK_MIN 1024u
/* What is tried first of a long body, from its middle, because a body often
 * begins with a header that is like nothing else in it. */
#define HS2NI_PACK_SAMPLE 4096u

struct hs2ni_pack;

/* Sets of codecs have one bit for each. */
#define HS2NI_PACK_BIT(codec) (1u << (codec))

/* The codecs that this build has. */
uint32_t hs2ni_pack_built(void);

/* For a set of codecs that this build has.
 * Returns HS2N_OK or HS2N_ERR_NO_MEMORY. */
HS2N_MUST_CHECK int hs2ni_pack_new(struct hs2ni_pack **out,
                                   struct hs2ni_env *env, uint32_t codecs);
/* pack may be NULL. */
void hs2ni_pack_free(struct hs2ni_pack *pack);
/* Bytes of env->mem that a pack for these codecs takes. */
uint64_t hs2ni_pack_footprint(uint32_t codecs);

/* The room that hs2ni_pack_deflate needs for a body of len bytes, which is
 * the most that it returns: a tenth less than len. */
size_t hs2ni_pack_room(size_t len);
/* Whether a body is long enough, and its sample small enough when packed. */
bool hs2ni_pack_worth(struct hs2ni_pack *pack, enum hs2n_compression codec,
                      struct hs2n_span raw);
/* Writes raw packed into out, of hs2ni_pack_room(raw.len) bytes, and returns
 * the length; 0: it does not get that small. */
size_t hs2ni_pack_deflate(struct hs2ni_pack *pack, enum hs2n_compression codec,
                          struct hs2n_span raw, uint8_t *out);

/* Whether packed may inflate to raw_len bytes, by what it says of itself;
 * false is certain.  Costs little and allocates nothing. */
bool hs2ni_pack_claim(enum hs2n_compression codec, struct hs2n_span packed,
                      size_t raw_len);
/* Writes the raw_len bytes that packed stands for, and never more.  false:
 * it stands for another number of bytes, or for none; what was written is
 * worth nothing. */
bool hs2ni_pack_inflate(struct hs2ni_pack *pack, enum hs2n_compression codec,
                        struct hs2n_span packed, uint8_t *out, size_t raw_len);

#endif /* HS2NI_PACK_PACK_H */
