/* log: the records of a replica's log, as bytes.
 *
 * A record is: length of content (4 bytes), CRC-32C of kind and content (4),
 * kind (1), content.  The first one of a log names its chain.  Pure: reading
 * and writing files is store.h. */
#ifndef REP_LOG_H
#define REP_LOG_H

#include "core.h"
#include "crc32c.h"

#define REP_LOG_HEAD_LEN 9u
#define REP_LOG_CONTENT_MAX (64u << 20)

enum rep_log_kind {
  REP_LOG_CHAIN = 1, /* version (1 byte), replica (4), chain id */
  REP_LOG_BLOCK,     /* an encoded block */
  REP_LOG_STATE,     /* see rep_log_state_read */
};

enum rep_log_result {
  REP_LOG_OK,
  REP_LOG_SHORT, /* the bytes end inside the record */
  REP_LOG_BAD,   /* not a record: checksum, kind or length */
};

struct rep_log_record {
  enum rep_log_kind kind;
  struct hs2n_span content;
};

/* Writes the head of a record whose content follows. */
void rep_log_head(const struct rep_crc32c *crc, enum rep_log_kind kind,
                  struct hs2n_span content, uint8_t out[REP_LOG_HEAD_LEN]);

/* Reads the record that bytes begin with; it takes REP_LOG_HEAD_LEN +
 * out->content.len bytes. */
enum rep_log_result rep_log_next(const struct rep_crc32c *crc,
                                 struct hs2n_span bytes,
                                 struct rep_log_record *out);

/* Content of REP_LOG_CHAIN. */
#define REP_LOG_CHAIN_MAX (1u + 4u + REP_CHAIN_ID_MAX)
size_t rep_log_chain_write(const struct rep_committee *c,
                           uint8_t out[REP_LOG_CHAIN_MAX]);

/* Content of REP_LOG_STATE. */
size_t rep_log_state_len(const struct rep_state *state);
void rep_log_state_write(struct rep_writer *w, const struct rep_state *state);
/* On true the caller owns out->lock. */
bool rep_log_state_read(struct hs2n_span content, struct rep_state *out);

#endif /* REP_LOG_H */
