/* known: what this process has computed already is not computed again.
 *
 * In a simulation both ends of each connection live in one process.  So of what
 * public-key cryptography costs a handshake, much is known beforehand:
 *
 * - a signature that was made here for these bytes by this key is good, and one
 *   that was found good once is good for all who ask again.  Any other, forged
 *   ones above all, is computed;
 * - a key that was found to be a point of the curve, and to belong to its
 * private half, is so each time;
 * - an X25519 secret is the same at both ends: the second to ask finds what the
 *   first has computed.
 *
 * The answers are those that would have been computed, no randomness is drawn
 * and no memory taken there, and so no run can tell the difference: every byte
 * on the simulated wire stays what it is.  Packets are sealed and opened as
 * ever.
 *
 * This stands between the library and wolfSSL, and in some programs alone:
 * known_dep tells the linker to (--wrap), where the library is in archives.  No
 * other program has it, nor does any library.  Where wolfSSL is the system's,
 * the calls within it are out of reach, and only what hs2net itself asks is
 * known. */
#ifndef SIM_KNOWN_H
#define SIM_KNOWN_H

#include <stdint.h>

/* How often something was asked, and how often it was known. */
struct known_counts {
  uint64_t signatures, signatures_known;
  uint64_t keys, keys_known;
  uint64_t secrets, secrets_known;
};

/* From now on, for the whole process; takes at most 9 MiB.  Of what needs the
 * same place the older is forgotten, and computed when it is asked again. */
void known_begin(void);

struct known_counts known_counts(void);

#endif /* SIM_KNOWN_H */
