/* signature: who signs the messages of a layer, and for which chain. */
#ifndef HS2NI_MSG_SIGNATURE_H
#define HS2NI_MSG_SIGNATURE_H

#include <hs2net/identity.h>
#include <hs2net/msg.h>
#include <hs2net/types.h>

struct hs2ni_signer {
  const struct hs2n_identity *identity; /* NULL: nothing is signed here */
  struct hs2n_peer_id id;               /* its own */
  struct hs2n_span chain_id;            /* borrowed */
};

/* Whose signatures are expected. */
struct hs2ni_signee {
  struct hs2n_key key;
  struct hs2n_peer_id id;
};

/* Characters of a chain id that is shown to us; 0 when it is none. */
size_t hs2ni_chain_len(const char *chain_id);
/* Signs what msg says as its sender.  Returns HS2N_OK, HS2N_ERR_NO_MEMORY or
 * HS2N_ERR_CRYPTO. */
HS2N_MUST_CHECK int hs2ni_signature_make(const struct hs2ni_signer *signer,
                                         const struct hs2n_msg *msg,
                                         uint8_t out[HS2N_SIGNATURE_LEN]);
/* Whether msg->signature is that of the signee.  Returns HS2N_OK,
 * HS2N_ERR_BAD_SIGNATURE (also for a bad key), or HS2N_ERR_NO_MEMORY or
 * HS2N_ERR_CRYPTO when it can't be told now. */
HS2N_MUST_CHECK int hs2ni_signature_check(struct hs2n_span chain_id,
                                          const struct hs2ni_signee *signee,
                                          const struct hs2n_msg *msg);

#endif /* HS2NI_MSG_SIGNATURE_H */
