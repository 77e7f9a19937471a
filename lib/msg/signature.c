#include "msg/signature.h"

#include "base/sized.h"
#include "wire/envelope.h"
#include "wire/record.h"

#include <assert.h>
#include <hs2net/error.h>

static_assert(HS2NI_SIGNATURE_LEN == HS2N_SIGNATURE_LEN,
              "the record holds what Ed25519 makes");

/* Everything of msg that is signed but its body. */
static struct hs2ni_envelope envelope_of(struct hs2n_span chain_id,
                                         const struct hs2n_peer_id *sender,
                                         const struct hs2n_msg *msg) {
  return (struct hs2ni_envelope){
      .chain_id = chain_id,
      .sender = *sender,
      .type = msg->type,
      .flags =
          (msg->flags & HS2N_MSG_VIEW_BOUND) != 0 ? HS2NI_FLAG_VIEW_BOUND : 0,
      .view = msg->view,
  };
}

static struct hs2n_span body_of(const struct hs2n_msg *msg) {
  return msg->body == NULL ? (struct hs2n_span){NULL, 0}
                           : hs2n_buf_span(msg->body);
}

/* Puts the body's hash in and writes the envelope. */
static size_t seal(struct hs2ni_envelope *envelope, struct hs2n_span body,
                   uint8_t out[HS2NI_ENVELOPE_MAX]) {
  hs2n_sha256(&body, 1, envelope->hash);
  return hs2ni_envelope_encode(envelope, out);
}

int hs2ni_signature_make(const struct hs2ni_signer *signer,
                         const struct hs2n_msg *msg,
                         uint8_t out[HS2N_SIGNATURE_LEN]) {
  struct hs2ni_envelope envelope =
      envelope_of(signer->chain_id, &signer->id, msg);
  uint8_t bytes[HS2NI_ENVELOPE_MAX];
  const size_t len = seal(&envelope, body_of(msg), bytes);

  return hs2n_sign(signer->identity, (struct hs2n_span){bytes, len}, out);
}

static int check(struct hs2ni_envelope *envelope, struct hs2n_span body,
                 const struct hs2n_key *key, const uint8_t *signature) {
  uint8_t bytes[HS2NI_ENVELOPE_MAX];
  const size_t len = seal(envelope, body, bytes);
  const int err = hs2n_verify(key, (struct hs2n_span){bytes, len}, signature);

  return err == HS2N_ERR_BAD_KEY ? HS2N_ERR_BAD_SIGNATURE : err;
}

int hs2ni_signature_check(struct hs2n_span chain_id,
                          const struct hs2ni_signee *signee,
                          const struct hs2n_msg *msg) {
  struct hs2ni_envelope envelope = envelope_of(chain_id, &signee->id, msg);

  if (msg->signature.len != HS2N_SIGNATURE_LEN) {
    return HS2N_ERR_BAD_SIGNATURE;
  }
  return check(&envelope, body_of(msg), &signee->key, msg->signature.data);
}

/* ---- for whoever is shown a message -------------------------------------- */

size_t hs2ni_chain_len(const char *chain_id) {
  size_t len = 0;

  while (chain_id != NULL && len <= HS2N_CHAIN_ID_MAX &&
         chain_id[len] != '\0') {
    len++;
  }
  return len <= HS2N_CHAIN_ID_MAX ? len : 0;
}

int hs2n_evidence_verify(const struct hs2n_evidence *evidence) {
  struct hs2n_evidence e;
  const int err = hs2ni_sized_copy(&e, sizeof(e), sizeof(size_t), evidence);
  struct hs2ni_envelope envelope;
  size_t len;

  if (err != HS2N_OK) {
    return err;
  }
  len = hs2ni_chain_len(e.chain_id);
  if (len == 0 || e.type >= HS2N_TYPES_MAX ||
      (e.flags & ~(uint32_t)HS2N_MSG_VIEW_BOUND) != 0 ||
      e.signature.len != HS2N_SIGNATURE_LEN) {
    return HS2N_ERR_INVALID;
  }
  envelope = (struct hs2ni_envelope){
      .chain_id = {(const uint8_t *)e.chain_id, len},
      .sender = hs2n_key_peer_id(&e.signer),
      .type = e.type,
      .flags = e.flags != 0 ? HS2NI_FLAG_VIEW_BOUND : 0,
      .view = e.view,
  };
  return check(&envelope, e.body, &e.signer, e.signature.data);
}
