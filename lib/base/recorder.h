/* recorder: writes the records of a recording, see <hs2net/record.h>. */
#ifndef HS2NI_BASE_RECORDER_H
#define HS2NI_BASE_RECORDER_H

#include <hs2net/record.h>
#include <stdbool.h>

struct hs2ni_recorder {
  hs2n_record_fn fn; /* NULL: off */
  void *user_data;
  uint64_t bodies; /* given to the application */
};

/* A record on its way: short fields are gathered, bytes go as they are. */
struct hs2ni_record_out {
  const struct hs2ni_recorder *to;
  size_t len;
  uint8_t bytes[128];
};

/* Begins a record, and sends what is gathered of it.  Whoever writes one asks
 * hs2ni_recording first. */
struct hs2ni_record_out hs2ni_record_begin(const struct hs2ni_recorder *to,
                                           enum hs2n_record_kind kind);
void hs2ni_record_uint(struct hs2ni_record_out *r, uint64_t value);
void hs2ni_record_bytes(struct hs2ni_record_out *r, struct hs2n_span bytes);
void hs2ni_record_addr(struct hs2ni_record_out *r,
                       const struct hs2n_addr *addr);
void hs2ni_record_end(struct hs2ni_record_out *r);

static inline bool hs2ni_recording(const struct hs2ni_recorder *recorder) {
  return recorder->fn != NULL;
}

/* A record of two numbers, if recording. */
void hs2ni_record_pair(const struct hs2ni_recorder *to,
                       enum hs2n_record_kind kind, uint64_t a, uint64_t b);

#endif /* HS2NI_BASE_RECORDER_H */
