/* What a node says of itself when a connection begins, and what it asks of
 * what its peer says. */
#include "node/inside.h"
#include "wire/hello.h"
#include "wire/record.h"

#include <string.h>

/* ---- ours -----------------------------------------------------------------
 */

static bool any_address(const struct hs2n_addr *a) {
  for (size_t i = 0; i < sizeof(a->ip); i++) {
    if (a->ip[i] != 0) {
      return false;
    }
  }
  return true;
}

static void fill_hello(const struct hs2n_node *node, struct hs2ni_hello *out) {
  const struct hs2ni_epoch *newest = hs2ni_peers_newest(node->peers);

  *out = (struct hs2ni_hello){
      .chain_id = {(const uint8_t *)node->chain_id, strlen(node->chain_id)},
      .version_min = HS2NI_PROTOCOL_MIN,
      .version_max = HS2NI_PROTOCOL_MAX,
      .incarnation = node->incarnation,
      .epoch = newest == NULL ? 0 : newest->number,
      .capabilities = hs2ni_msgs_capabilities(node->msgs),
      .types_n = node->types_n,
  };
  if (node->env.limits.rx_bodies_bytes > HS2NI_HELLO_BODIES_BYTES) {
    out->bodies_bytes = node->env.limits.rx_bodies_bytes;
  }
  if (node->local.port != 0 && !any_address(&node->local)) {
    out->addrs[0] = node->local;
    out->addrs_n = 1;
  }
  for (size_t i = 0; i < node->types_n; i++) {
    out->types[i] = (struct hs2ni_hello_type){
        .id = node->types[i].id,
        .lane = (uint8_t)node->types[i].lane,
        .size_max = node->types[i].size_max,
    };
  }
}

int hs2ni_greeting_write(struct hs2n_node *node, uint8_t **out,
                         size_t *out_len) {
  const struct hs2ni_head head = {.kind = HS2NI_STREAM_HELLO};
  struct hs2ni_hello hello;
  uint8_t head_bytes[HS2NI_HEAD_MAX];
  uint8_t hello_bytes[HS2NI_HELLO_MAX];
  uint8_t *bytes;
  size_t n;
  int len;

  fill_hello(node, &hello);
  n = hs2ni_head_encode(&head, head_bytes);
  len = hs2ni_hello_encode(&hello, hello_bytes);
  if (len < 0) {
    return len;
  }
  bytes = hs2ni_alloc(&node->env, n + (size_t)len);
  if (bytes == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  memcpy(bytes, head_bytes, n);
  memcpy(bytes + n, hello_bytes, (size_t)len);
  *out = bytes;
  *out_len = n + (size_t)len;
  return HS2N_OK;
}

/* ---- the peer's -----------------------------------------------------------
 */

bool hs2ni_greeting_read(struct hs2n_span bytes, struct hs2ni_hello *out) {
  struct hs2ni_head head;
  const int32_t n = hs2ni_head_decode(bytes, &head);
  struct hs2n_span rest;

  if (n < 0 || head.kind != HS2NI_STREAM_HELLO) {
    return false;
  }
  rest = (struct hs2n_span){bytes.data + n, bytes.len - (size_t)n};
  return hs2ni_hello_decode(rest, out) == HS2N_OK;
}

enum hs2n_reason hs2ni_greeting_check(struct hs2n_node *node,
                                      const struct hs2ni_hello *hello) {
  const size_t len = strlen(node->chain_id);

  if (hello->chain_id.len != len ||
      memcmp(hello->chain_id.data, node->chain_id, len) != 0) {
    node->env.stats.refused_chain++;
    return HS2N_REASON_CHAIN_MISMATCH;
  }
  if (hello->version_min > HS2NI_PROTOCOL_MAX ||
      hello->version_max < HS2NI_PROTOCOL_MIN) {
    return HS2N_REASON_VERSION_MISMATCH;
  }
  return HS2N_REASON_NONE;
}
