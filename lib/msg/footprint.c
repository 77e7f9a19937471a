/* The worst case of memory, for hs2n_limits_memory. */
#include "msg/chan.h"

static uint64_t blocks(uint64_t n, size_t len) {
  return n * hs2ni_pool_footprint(len);
}

static uint64_t min64(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

static uint64_t max64(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

/* Bodies of one lane that are not whole: one inside a record, in a block of
 * less than twice its length, and those with streams of their own. */
static uint64_t assembling(const struct hs2n_limits *limits,
                           uint64_t body_max) {
  return 2 * min64(body_max, HS2NI_INLINE_BODY_MAX) +
         hs2ni_rx_seated_max(limits, body_max);
}

static uint64_t bodies(const struct hs2n_limits *limits,
                       const struct hs2n_type *types, size_t types_n) {
  const uint64_t n = hs2ni_rx_bodies_max(limits);
  uint64_t body_max[HS2N_LANES] = {0};
  uint64_t sum = 0, kept = (uint64_t)limits->rx_held_bytes;

  for (size_t i = 0; i < types_n; i++) {
    body_max[types[i].lane] = max64(body_max[types[i].lane], types[i].size_max);
  }
  for (size_t i = 0; i < HS2N_LANES; i++) {
    /* Twice: bodies that were being assembled when the application stopped
     * reading are whole now, and others have been begun since. */
    sum += 2 * assembling(limits, body_max[i]);
  }
  sum += (size_t)HS2NI_BODIES_MAX * HS2NI_RX_PARKED_BLOCK; /* not full */
  kept += limits->rx_window_bytes;  /* taken, credit withheld */
  kept += HS2NI_DATAGRAM_BYTES_MAX; /* no credit holds that one back */
  return sum + 2 * kept + 2 * n * hs2ni_buf_overhead() +
         n * HS2NI_POOL_BLOCK_MIN;
}

/* Compressed bodies, each with its header shorter than the body that it stands
 * for, which is charged.  A frame may outlive its message, but takes the
 * charge along. */
static uint64_t forms(const struct hs2n_limits *limits, bool is_packed,
                      bool is_signed) {
  uint64_t sum =
      is_packed ? limits->tx_queue_bytes_max + HS2NI_TX_BATCHES_BYTES : 0;

  if (is_packed || is_signed) {
    sum += HS2N_LANES *
           blocks(limits->tx_queue_msgs_max, sizeof(struct hs2ni_form));
  }
  return sum;
}

static bool any_flagged(const struct hs2n_type *types, size_t types_n,
                        enum hs2n_type_flag flag) {
  for (size_t i = 0; i < types_n; i++) {
    if ((types[i].flags & (uint32_t)flag) != 0) {
      return true;
    }
  }
  return false;
}

uint64_t hs2ni_chan_footprint(const struct hs2n_limits *limits,
                              const struct hs2n_type *types, size_t types_n) {
  const uint64_t msgs = limits->tx_queue_msgs_max;
  const bool is_packed = hs2ni_msgs_codecs(types, types_n) != 0;
  const bool is_signed = any_flagged(types, types_n, HS2N_TYPE_SIGNED);
  /* Messages ready, judged later, being filled, fetched; then refusals. */
  const uint64_t rx_msgs = HS2N_LANES * (msgs + limits->rx_later_max + 1) + 1 +
                           UINT64_C(2) * HS2NI_NACKS_MAX + HS2N_LANES +
                           hs2ni_future_max(limits) / HS2NI_FUTURE_COST;

  return sizeof(struct hs2ni_chan) + blocks(1, sizeof(struct hs2ni_ledger)) +
         blocks(1, HS2NI_ACK_RING) + 2 * sizeof(struct hs2ni_account) +
         limits->tx_queue_bytes_max + forms(limits, is_packed, is_signed) +
         hs2ni_rx_inflated_max(limits, types, types_n) +
         HS2N_LANES * (blocks(msgs, sizeof(struct hs2ni_tx_msg)) +
                       blocks(3 * msgs, hs2ni_frame_size(is_signed))) +
         blocks(HS2NI_BODIES_MAX, hs2ni_frame_size(is_signed)) +
         blocks(HS2NI_BODIES_MAX, sizeof(struct hs2ni_tx_body)) +
         blocks(HS2NI_BODIES_MAX, sizeof(struct hs2ni_rx_pair)) +
         blocks(rx_msgs, sizeof(struct hs2ni_rx_msg)) +
         (is_signed ? blocks(rx_msgs, HS2N_SIGNATURE_LEN) : 0) +
         (is_packed ? blocks(HS2N_LANES, HS2NI_BATCH_RAW_MAX) : 0) +
         blocks(HS2NI_HEADS_MAX, sizeof(struct hs2ni_rx_head)) +
         blocks(limits->rx_requests_max, sizeof(struct hs2ni_rx_request)) +
         (any_flagged(types, types_n, HS2N_TYPE_BY_CONTENT)
              ? hs2ni_content_ring_footprint(limits)
              : 0) +
         bodies(limits, types, types_n);
}

/* Bodies of open requests, which stay until their end. */
static uint64_t asked(const struct hs2n_limits *limits,
                      const struct hs2n_type *types, size_t types_n) {
  uint64_t body_max = 0;

  for (size_t i = 0; i < types_n; i++) {
    if (types[i].role == HS2N_ROLE_REQUEST) {
      body_max = max64(body_max, types[i].size_max);
    }
  }
  return min64(limits->requests_max * body_max, limits->requests_bytes_max);
}

uint64_t hs2ni_msgs_footprint(const struct hs2n_limits *limits,
                              const struct hs2n_type *types, size_t types_n) {
  const uint64_t timers = HS2NI_LAYER_TIMERS + limits->tags_max +
                          (uint64_t)limits->requests_max +
                          (uint64_t)limits->peers_max * HS2NI_CHAN_TIMERS;

  return sizeof(struct hs2ni_msgs) + sizeof(struct hs2ni_store) +
         timers * sizeof(struct hs2ni_timer *) +
         limits->tags_max * (sizeof(struct hs2ni_send *) + sizeof(uint32_t)) +
         blocks(limits->tags_max, hs2ni_send_size(limits->peers_max)) +
         blocks(limits->requests_max, hs2ni_request_size(limits->peers_max)) +
         asked(limits, types, types_n) + hs2ni_msgs_keep_bytes(limits) +
         (any_flagged(types, types_n, HS2N_TYPE_BY_CONTENT)
              ? hs2ni_contents_footprint(limits)
              : 0) +
         (hs2ni_msgs_codecs(types, types_n) != 0
              ? sizeof(struct hs2ni_batch_room)
              : 0) +
         hs2ni_pack_footprint(hs2ni_msgs_codecs(types, types_n));
}
