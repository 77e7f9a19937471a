#include "body.h"

#include <string.h>

#define VOTE_LEN 150u
#define PROPOSAL_LEN (64u << 10)
#define BODY_LEN (1u << 20)
#define CERT_LEN 600u
#define NEW_VIEW_LEN 300u
#define TX_LEN 256u
#define ASK_LEN 40u
#define ANSWER_LEN (16u << 10)

/* By id, from 1. */
const struct hs2n_type body_types[TYPES_N] = {
    {.id = TYPE_VOTE,
     .lane = HS2N_LANE_VOTE,
     .size_max = VOTE_LEN,
     .name = "vote"},
    {.id = TYPE_PROPOSAL,
     .lane = HS2N_LANE_PROPOSAL,
     .size_max = PROPOSAL_LEN,
     .name = "proposal"},
    {.id = TYPE_BODY,
     .lane = HS2N_LANE_BULK,
     .size_max = BODY_LEN,
     .name = "body"},
    {.id = TYPE_CERT,
     .lane = HS2N_LANE_CERT,
     .size_max = CERT_LEN,
     .name = "cert",
     .flags = HS2N_TYPE_SIGNED},
    {.id = TYPE_NEW_VIEW,
     .lane = HS2N_LANE_CONTROL,
     .size_max = NEW_VIEW_LEN,
     .name = "new view"},
    {.id = TYPE_TX,
     .lane = HS2N_LANE_BULK,
     .size_max = TX_LEN,
     .name = "transaction",
     .compression = HS2N_COMPRESSION_LZ4},
    {.id = TYPE_ASK,
     .lane = HS2N_LANE_SYNC,
     .size_max = ASK_LEN,
     .name = "ask",
     .role = HS2N_ROLE_REQUEST,
     .response = TYPE_ANSWER},
    {.id = TYPE_ANSWER,
     .lane = HS2N_LANE_SYNC,
     .size_max = ANSWER_LEN,
     .name = "answer",
     .compression = HS2N_COMPRESSION_LZ4,
     .role = HS2N_ROLE_RESPONSE},
};

size_t body_len(uint8_t type) {
  return body_types[type - 1].size_max;
}

/* What is to be compressed repeats itself. */
static uint64_t word_at(uint8_t type, uint64_t number, size_t i) {
  const bool repeats =
      body_types[type - 1].compression != HS2N_COMPRESSION_NONE;

  return (number + (repeats ? i % 8 : i)) * UINT64_C(0x9e3779b97f4a7c15);
}

/* The head, then words that follow from the number; the odd rest is 0. */
void body_fill(uint8_t type, uint8_t *out, struct body_head head) {
  const size_t len = body_len(type);

  memcpy(out, &head, sizeof(head));
  memset(out + len - len % 8, 0, len % 8);
  for (size_t i = sizeof(head) / 8; i < len / 8; i++) {
    const uint64_t word = word_at(type, head.number, i);

    memcpy(out + 8 * i, &word, 8);
  }
}

struct body_head body_read(const struct hs2n_msg *msg) {
  const struct body_head none = {.number = 0};
  struct hs2n_span body;
  struct body_head head;

  if (msg->body == NULL) {
    return none;
  }
  body = hs2n_buf_span(msg->body);
  if (body.len != body_len(msg->type)) {
    return none;
  }
  memcpy(&head, body.data, sizeof(head));
  for (size_t i = sizeof(head) / 8; i < body.len / 8; i++) {
    const uint64_t word = word_at(msg->type, head.number, i);

    if (memcmp(body.data + 8 * i, &word, 8) != 0) {
      return none;
    }
  }
  return head;
}
