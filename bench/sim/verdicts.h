/* verdicts: each signature of a cluster is checked once, not once a replica.
 *
 * All replicas check the same certificates: with n of them a block costs n
 * times two thirds of n checks of Ed25519, which is most of what a large
 * cluster takes of the processor.  Whether a signature is good depends on the
 * key, the bytes and the signature alone, so that the first answer serves all,
 * and no run can tell the difference.  Connections are not touched: their
 * handshakes and packets are real. */
#ifndef SIM_VERDICTS_H
#define SIM_VERDICTS_H

#include "crypto_hs2n.h"

struct verdicts; /* what is known, the oldest forgotten: 1 MiB or so */

struct verdicts *verdicts_new(void); /* NULL: no memory */
void verdicts_free(struct verdicts *v);

/* One replica's. */
struct verdicts_user {
  struct verdicts *known; /* NULL: every check is made */
  struct rep_keys keys;
};

/* Functions over user, which must outlive them. */
struct rep_crypto verdicts_crypto(struct verdicts_user *user);

#endif /* SIM_VERDICTS_H */
