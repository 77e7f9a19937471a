/* identity: what this module alone may ask of an identity. */
#ifndef HS2NI_TLS_IDENTITY_H
#define HS2NI_TLS_IDENTITY_H

#include <hs2net/identity.h>

/* The secret, HS2N_KEY_LEN bytes, borrowed. */
const uint8_t *hs2ni_identity_seed(const struct hs2n_identity *identity);

#endif /* HS2NI_TLS_IDENTITY_H */
