#include "message.h"

/* A TC that is absent takes no bytes: it is always the last field. */
static struct rep_tc *read_last_tc(struct rep_reader *r) {
  return r->failed || r->rest.len == 0 ? NULL : rep_tc_read(r);
}

/* ---- proposal ---------------------------------------------------------- */

bool rep_proposal_decode(struct rep_bytes *bytes,
                         const struct rep_crypto *crypto,
                         struct rep_proposal *out) {
  struct rep_reader r = rep_reader_of(rep_bytes_span(bytes));
  struct rep_proposal p = {0};
  struct hs2n_span encoding;

  rep_read_copy(&r, p.signature, sizeof(p.signature));
  encoding = rep_read_span(&r, (size_t)rep_read_be(&r, 4));
  p.tc = read_last_tc(&r);
  if (!rep_reader_done(&r)) {
    rep_tc_unref(p.tc);
    return false;
  }
  p.block = rep_block_decode(encoding, bytes, crypto);
  if (p.block == NULL) {
    rep_tc_unref(p.tc);
    return false;
  }
  *out = p;
  return true;
}

void rep_proposal_fini(struct rep_proposal *proposal) {
  rep_block_unref(proposal->block);
  rep_tc_unref(proposal->tc);
  *proposal = (struct rep_proposal){0};
}

/* ---- new-view ---------------------------------------------------------- */

struct rep_bytes *rep_new_view_encode(const struct rep_new_view *new_view) {
  const size_t tc_len = new_view->tc != NULL ? rep_tc_len(new_view->tc) : 0;
  struct rep_bytes *const bytes =
      rep_bytes_new(8u + rep_cert_len(new_view->high) + tc_len);
  struct rep_writer w;

  if (bytes == NULL) {
    return NULL;
  }
  w = rep_writer_of(bytes->data, bytes->len);
  rep_write_be(&w, new_view->view, 8);
  rep_cert_write(&w, new_view->high);
  if (new_view->tc != NULL) {
    rep_tc_write(&w, new_view->tc);
  }
  return bytes;
}

bool rep_new_view_decode(struct hs2n_span bytes, struct rep_new_view *out) {
  struct rep_reader r = rep_reader_of(bytes);
  struct rep_new_view nv = {0};

  nv.view = rep_read_be(&r, 8);
  nv.high = rep_cert_read(&r);
  nv.tc = read_last_tc(&r);
  if (!rep_reader_done(&r)) {
    rep_new_view_fini(&nv);
    return false;
  }
  *out = nv;
  return true;
}

void rep_new_view_fini(struct rep_new_view *new_view) {
  rep_cert_unref(new_view->high);
  rep_tc_unref(new_view->tc);
  *new_view = (struct rep_new_view){0};
}

/* ---- catching up ------------------------------------------------------- */

void rep_sync_request_write(struct rep_writer *w,
                            const struct rep_sync_request *request) {
  rep_write_be(w, request->from_height, 8);
  rep_write_copy(w, request->want.bytes, HS2N_HASH_LEN);
}

bool rep_sync_request_decode(struct hs2n_span bytes,
                             struct rep_sync_request *out) {
  struct rep_reader r = rep_reader_of(bytes);
  struct rep_sync_request request;

  request.from_height = rep_read_be(&r, 8);
  rep_read_copy(&r, request.want.bytes, sizeof(request.want.bytes));
  if (!rep_reader_done(&r) || request.from_height == 0) {
    return false;
  }
  *out = request;
  return true;
}

struct rep_bytes *rep_sync_response_encode(const struct rep_cert *cert,
                                           const struct hs2n_span *encodings,
                                           uint32_t count) {
  size_t len = 1u + 4u + (cert != NULL ? rep_cert_len(cert) : 0);
  struct rep_bytes *bytes;
  struct rep_writer w;

  for (uint32_t i = 0; i < count; i++) {
    len += 4u + encodings[i].len;
  }
  bytes = rep_bytes_new(len);
  if (bytes == NULL) {
    return NULL;
  }
  w = rep_writer_of(bytes->data, bytes->len);
  rep_write_be(&w, cert != NULL ? 1 : 0, 1);
  if (cert != NULL) {
    rep_cert_write(&w, cert);
  }
  rep_write_be(&w, count, 4);
  for (uint32_t i = 0; i < count; i++) {
    rep_write_be(&w, encodings[i].len, 4);
    rep_write_copy(&w, encodings[i].data, encodings[i].len);
  }
  return bytes;
}

bool rep_sync_response_decode(struct rep_bytes *bytes,
                              struct rep_sync_response *out) {
  struct rep_reader r = rep_reader_of(rep_bytes_span(bytes));
  struct rep_sync_response response = {.owner = bytes};
  uint64_t has_cert;

  has_cert = rep_read_be(&r, 1);
  if (has_cert == 1) {
    response.cert = rep_cert_read(&r);
  }
  response.blocks_left = (uint32_t)rep_read_be(&r, 4);
  if (r.failed || has_cert > 1 || response.blocks_left > REP_SYNC_BLOCKS_MAX) {
    rep_cert_unref(response.cert);
    return false;
  }
  response.encoded = r;
  *out = response;
  return true;
}

struct rep_block *rep_sync_response_next(struct rep_sync_response *response,
                                         const struct rep_crypto *crypto) {
  struct rep_reader *const r = &response->encoded;
  struct hs2n_span encoding;
  struct rep_block *block;

  if (response->blocks_left == 0) {
    r->failed = r->failed || r->rest.len != 0;
    return NULL;
  }
  encoding = rep_read_span(r, (size_t)rep_read_be(r, 4));
  block =
      r->failed ? NULL : rep_block_decode(encoding, response->owner, crypto);
  if (block == NULL) {
    r->failed = true;
    return NULL;
  }
  response->blocks_left--;
  return block;
}
