/* Compressed bodies, the peer's side.
 *
 * A body waits as it came, and counts as what it is on the wire, until the
 * application is about to get it: so inflated bytes exist only where they are
 * read, and no peer can fill memory with what it did not send. */
#include "msg/chan.h"

#include <assert.h>

bool hs2ni_rx_packed_well(const struct hs2ni_msgs *msgs,
                          const struct hs2ni_record *r) {
  if ((r->flags & HS2NI_FLAG_COMPRESSED) == 0) {
    return true;
  }
  return (msgs->codecs & HS2NI_PACK_BIT(r->codec)) != 0 && r->body_len > 0 &&
         r->body_len < r->raw_len;
}

bool hs2ni_rx_may_inflate(const struct hs2ni_rx_msg *m) {
  const struct hs2ni_chan *chan = m->lane->chan;
  const uint64_t held = chan->rx.ledger->inflated->held_bytes;

  return m->codec == HS2N_COMPRESSION_NONE || held == 0 ||
         held + m->raw_len <= hs2ni_chan_env(chan)->limits.rx_held_bytes;
}

enum hs2ni_opened hs2ni_rx_inflate(struct hs2ni_rx_msg *m) {
  struct hs2ni_chan *chan = m->lane->chan;
  const enum hs2n_compression codec = (enum hs2n_compression)m->codec;
  struct hs2n_span packed;
  struct hs2n_buf *raw;

  if (codec == HS2N_COMPRESSION_NONE) {
    return HS2NI_OPENED;
  }
  assert(m->body != NULL); /* one that is stale is not asked for */
  packed = hs2n_buf_span(m->body);
  if (!hs2ni_pack_claim(codec, packed, m->raw_len)) {
    return HS2NI_OPENED_BAD;
  }
  if (hs2ni_buf_receive(&raw, hs2ni_chan_pool(chan), chan->rx.ledger->inflated,
                        m->raw_len) != HS2N_OK) {
    return HS2NI_OPENED_NO_MEMORY;
  }
  if (!hs2ni_pack_inflate(chan->msgs->pack, codec, packed, hs2ni_buf_data(raw),
                          m->raw_len)) {
    hs2ni_buf_unref(raw);
    return HS2NI_OPENED_BAD;
  }
  hs2ni_buf_unref(m->body);
  m->body = raw;
  m->body_len = m->raw_len;
  m->codec = HS2N_COMPRESSION_NONE;
  return HS2NI_OPENED;
}

uint64_t hs2ni_rx_inflated_max(const struct hs2n_limits *limits,
                               const struct hs2n_type *types, size_t types_n) {
  uint64_t max = limits->rx_held_bytes;

  if (hs2ni_msgs_codecs(types, types_n) == 0) {
    return 0;
  }
  for (size_t i = 0; i < types_n; i++) {
    max = types[i].size_max > max ? types[i].size_max : max;
  }
  /* A pooled block is less than twice what it holds; and one more, of a
   * message that is just being fetched. */
  return 2 * max + hs2ni_pool_footprint(hs2ni_buf_overhead());
}
