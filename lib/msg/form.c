/* What a send is on the wire, when it is more than its body: made once for all
 * of its receivers. */
#include "msg/chan.h"

#include <assert.h>

uint64_t hs2ni_form_capability(enum hs2n_compression codec) {
  return codec == HS2N_COMPRESSION_LZ4 ? HS2NI_CAP_LZ4 : HS2NI_CAP_ZSTD;
}

/* Receivers that were never met, or that can't read it, get the plain body;
 * with only such there is nothing to do. */
static bool someone_reads(const struct hs2ni_target *targets, size_t n,
                          enum hs2n_compression codec) {
  for (size_t i = 0; i < n; i++) {
    if ((targets[i].chan->peer_caps & hs2ni_form_capability(codec)) != 0) {
      return true;
    }
  }
  return false;
}

static struct hs2n_buf *deflate(struct hs2ni_msgs *msgs,
                                enum hs2n_compression codec,
                                struct hs2n_span raw) {
  struct hs2n_buf *packed;
  uint8_t *data;
  size_t len;

  if (hs2n_buf_alloc(&packed, msgs->env->mem, hs2ni_pack_room(raw.len),
                     &data) != HS2N_OK) {
    return NULL;
  }
  len = hs2ni_pack_deflate(msgs->pack, codec, raw, data);
  if (len == 0) {
    hs2ni_buf_unref(packed);
    return NULL;
  }
  hs2ni_buf_trim(packed, len);
  return packed;
}

static struct hs2n_buf *pack(struct hs2ni_msgs *msgs,
                             const struct hs2ni_target *targets, size_t n,
                             const struct hs2n_msg *msg) {
  const enum hs2n_compression codec = msgs->types[msg->type].compression;
  struct hs2n_buf *packed = NULL;
  struct hs2n_span raw;

  if (codec == HS2N_COMPRESSION_NONE || (msg->flags & HS2N_MSG_SECRET) != 0 ||
      msg->body == NULL) {
    return NULL;
  }
  raw = hs2n_buf_span(msg->body);
  if (raw.len < HS2NI_PACK_MIN || !someone_reads(targets, n, codec)) {
    return NULL;
  }
  if (hs2ni_pack_worth(msgs->pack, codec, raw)) {
    packed = deflate(msgs, codec, raw);
  }
  if (packed != NULL) {
    msgs->env->stats.bodies_compressed++;
  } else {
    msgs->env->stats.bodies_incompressible++;
  }
  return packed;
}

static int sign(struct hs2ni_msgs *msgs, const struct hs2n_msg *msg,
                struct hs2ni_form *form) {
  int err;

  if (!msgs->types[msg->type].is_signed) {
    return HS2N_OK;
  }
  assert(msgs->signer.identity != NULL);
  err = hs2ni_signature_make(&msgs->signer, msg, form->signature);
  form->is_signed = err == HS2N_OK;
  msgs->env->stats.messages_signed += form->is_signed;
  return err;
}

int hs2ni_form_new(struct hs2ni_form **out, struct hs2ni_msgs *msgs,
                   const struct hs2ni_target *targets, size_t n,
                   const struct hs2n_msg *msg) {
  const struct hs2ni_msg_type *type = &msgs->types[msg->type];
  struct hs2ni_pool *pool = &msgs->store->pool;
  struct hs2ni_form *form;
  int err;

  *out = NULL;
  if (type->compression == HS2N_COMPRESSION_NONE && !type->is_signed) {
    return HS2N_OK;
  }
  form = hs2ni_pool_take(pool, sizeof(*form));
  if (form == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  *form = (struct hs2ni_form){
      .pool = pool,
      .refs = 1,
      .codec = type->compression,
      .packed = pack(msgs, targets, n, msg),
  };
  err = sign(msgs, msg, form);
  if (err != HS2N_OK || (form->packed == NULL && !form->is_signed)) {
    hs2ni_form_unref(form);
    return err;
  }
  *out = form;
  return HS2N_OK;
}

struct hs2ni_form *hs2ni_form_ref(struct hs2ni_form *form) {
  if (form != NULL) {
    form->refs++;
  }
  return form;
}

void hs2ni_form_unref(struct hs2ni_form *form) {
  if (form == NULL) {
    return;
  }
  assert(form->refs > 0);
  form->refs--;
  if (form->refs == 0) {
    hs2ni_buf_unref(form->packed);
    hs2ni_pool_give(form->pool, form, sizeof(*form));
  }
}

struct hs2n_buf *hs2ni_form_body(const struct hs2ni_tx_msg *m,
                                 bool *out_packed) {
  const struct hs2ni_form *form = m->form;

  *out_packed =
      form != NULL && form->packed != NULL &&
      (m->lane->chan->peer_caps & hs2ni_form_capability(form->codec)) != 0;
  return *out_packed ? form->packed : m->body;
}
