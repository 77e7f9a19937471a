/* What may be said of a message by its record alone. */
#include "msg/chan.h"

enum hs2n_reason hs2ni_rx_type_reason(const struct hs2ni_rx_lane *lane,
                                      const struct hs2ni_record *r) {
  const struct hs2ni_msg_type *type = &lane->chan->msgs->types[r->type];

  if (!type->declared || type->lane != lane->lane ||
      type->role != hs2ni_rx_role(r) ||
      (type->role == HS2N_ROLE_RESPONSE &&
       !hs2ni_request_is_answer(lane->chan, r->request, r->type))) {
    return HS2N_REASON_UNKNOWN_TYPE;
  }
  if (type->is_signed && (r->flags & HS2NI_FLAG_SIGNED) == 0) {
    return HS2N_REASON_BAD_SIGNATURE;
  }
  if ((r->codec != 0 || lane->batch.is_open) && type->secret) {
    return HS2N_REASON_BAD_BODY;
  }
  return (r->codec != 0 ? r->raw_len : r->body_len) > type->size_max
             ? HS2N_REASON_MSG_TOO_BIG
             : HS2N_REASON_NONE;
}

uint32_t hs2ni_rx_flags(const struct hs2ni_msgs *msgs) {
  const uint64_t caps = hs2ni_msgs_capabilities(msgs);
  uint32_t flags = HS2NI_FLAG_VIEW_BOUND;

  if ((caps & (HS2NI_CAP_LZ4 | HS2NI_CAP_ZSTD)) != 0) {
    flags |= HS2NI_FLAG_COMPRESSED;
  }
  if ((caps & HS2NI_CAP_REQUEST) != 0) {
    flags |= HS2NI_FLAG_REQUEST | HS2NI_FLAG_RESPONSE;
  }
  if ((caps & HS2NI_CAP_SIGNED) != 0) {
    flags |= HS2NI_FLAG_SIGNED;
  }
  if ((caps & HS2NI_CAP_DATAGRAM) != 0) {
    flags |= HS2NI_FLAG_UNORDERED;
  }
  return flags;
}

/* Requests and responses keep the order of their lane, and a response answers
 * something that was asked. */
static bool role_is_good(const struct hs2ni_msgs *msgs,
                         const struct hs2ni_record *r) {
  switch (hs2ni_rx_role(r)) {
  case HS2N_ROLE_MESSAGE:
    return true;
  case HS2N_ROLE_REQUEST:
    break;
  case HS2N_ROLE_RESPONSE:
    if (!hs2ni_request_known(msgs, r->request)) {
      return false;
    }
    break;
  }
  return (r->flags & HS2NI_FLAG_UNORDERED) == 0;
}

bool hs2ni_rx_readable(const struct hs2ni_msgs *msgs,
                       const struct hs2ni_record *r) {
  return (r->kind == HS2NI_RECORD_MSG || r->kind == HS2NI_RECORD_LARGE) &&
         (r->flags & ~msgs->rx_flags) == 0 && hs2ni_rx_packed_well(msgs, r) &&
         role_is_good(msgs, r) &&
         (r->kind == HS2NI_RECORD_LARGE ||
          r->body_len <= HS2NI_INLINE_BODY_MAX);
}
