/* buf: the inside of struct hs2n_buf: refcounted, immutable bodies.
 *
 * Three kinds share one struct: bodies with their bytes behind the header,
 * wrapped memory of the user, and received bodies, whose last unref tells an
 * account so that credit can go back to the sender. */
#ifndef HS2NI_BASE_BUF_H
#define HS2NI_BASE_BUF_H

#include "base/pool.h"

#include <hs2net/msg.h>

/* Counts received bytes that the application still holds.  It outlives the
 * channel it belongs to while bufs point at it. */
struct hs2ni_account {
  struct hs2ni_env *env;
  uint32_t refs; /* owner and bufs */
  uint64_t held_bytes;
  /* Called when a buf of len bytes has gone; NULL once the owner left. */
  void (*released)(void *user, size_t len);
  void *user;
};

HS2N_MUST_CHECK int hs2ni_account_new(struct hs2ni_account **out,
                                      struct hs2ni_env *env,
                                      void (*released)(void *, size_t),
                                      void *user);
/* The owner leaves; bufs that are still held stay valid. */
void hs2ni_account_close(struct hs2ni_account *account);

/* A body of len bytes for a receiver to fill, taken from pool and counted in
 * account.  The bytes are at hs2ni_buf_data.  pool must outlive the buf.
 * Returns HS2N_OK or HS2N_ERR_NO_MEMORY. */
HS2N_MUST_CHECK int hs2ni_buf_receive(struct hs2n_buf **out,
                                      struct hs2ni_pool *pool,
                                      struct hs2ni_account *account,
                                      size_t len);
/* Bytes of the pool's blocks that such a body takes beside its len. */
size_t hs2ni_buf_overhead(void);
/* As hs2n_buf_ref and hs2n_buf_unref, for references of the library. */
struct hs2n_buf *hs2ni_buf_ref(struct hs2n_buf *buf);
void hs2ni_buf_unref(struct hs2n_buf *buf);
/* For the recorder.  Gives a received body the number by which a recording
 * knows it, before the application gets it. */
void hs2ni_buf_lend(struct hs2n_buf *buf, uint64_t number);
/* After the upcall: its number if the application has kept it, else 0. */
uint64_t hs2ni_buf_lent(struct hs2n_buf *buf);
/* Its number, 0 when it has none. */
uint64_t hs2ni_buf_number(const struct hs2n_buf *buf);
/* Shortens a body of hs2n_buf_alloc that nobody else has seen yet; its memory
 * stays as large as it is. */
void hs2ni_buf_trim(struct hs2n_buf *buf, size_t len);
/* Writable bytes of a buf that nobody else has seen yet. */
uint8_t *hs2ni_buf_data(struct hs2n_buf *buf);

#endif /* HS2NI_BASE_BUF_H */
