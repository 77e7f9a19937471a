/* body: what the messages of a soak carry, so that a receiver can tell what
 * came whole, and of whom. */
#ifndef SOAK_BODY_H
#define SOAK_BODY_H

#include <hs2net/hs2net.h>

enum {
  TYPE_VOTE = 1,
  TYPE_PROPOSAL,
  TYPE_BODY,
  TYPE_CERT,     /* signed */
  TYPE_NEW_VIEW, /* dies with its view */
  TYPE_TX,       /* compressed; too short for that when alone */
  TYPE_ASK,
  TYPE_ANSWER, /* compressed */
};
#define TYPES_N 8

extern const struct hs2n_type body_types[TYPES_N];

struct body_head {
  uint64_t number;
  uint64_t from;
};

size_t body_len(uint8_t type);
/* out has body_len(type) bytes. */
void body_fill(uint8_t type, uint8_t *out, struct body_head head);
/* The head of a body that is whole; of any other its number is 0. */
struct body_head body_read(const struct hs2n_msg *msg);

#endif /* SOAK_BODY_H */
