/* endpoint: a node with its driver, as the measurements need it. */
#ifndef BENCH_ENDPOINT_H
#define BENCH_ENDPOINT_H

#include "micro.h"

enum { TYPE_SMALL = 1, TYPE_LARGE = 2 };

#define SMALL_MAX 16384
#define LARGE_MAX (4u << 20)

struct endpoint {
  struct hs2n_io *io;
  struct hs2n_node *node;
  struct hs2n_key key;
  unsigned ups;          /* on_peer(UP) so far */
  unsigned gones;        /* on_peer(DOWN) or (GONE) */
  struct hs2n_peer peer; /* that came UP last */
  uint64_t messages;
  uint64_t done; /* tags that ended, all by ACKED */
  uint32_t index;

  /* What a measurement wants to hear, may be NULL. */
  void (*on_message)(struct endpoint *e, struct hs2n_peer from,
                     const struct hs2n_msg *msg);
  void (*on_done)(struct endpoint *e);
  void (*on_up)(struct endpoint *e);
  void *user;
};

struct endpoint_config {
  const struct hs2n_identity *identity;
  uint32_t spin_us;
  uint32_t peers_max;         /* 0: 2 */
  const struct hs2n_mem *mem; /* NULL: the C library's */
  enum hs2n_transport transport;
};

/* Opens e with a listening socket on loopback.  The fields that the
 * measurement sets must be set afterwards. */
void endpoint_open(struct endpoint *e, struct endpoint_config config);
void endpoint_close(struct endpoint *e);
uint16_t endpoint_port(const struct endpoint *e);

/* A member on loopback; port 0: it will dial us. */
struct member_at {
  const struct hs2n_identity *identity;
  uint16_t port;
};

/* Makes these the only members, in a new epoch. */
void endpoint_members(struct endpoint *e, uint64_t epoch,
                      const struct member_at *members, size_t n);

/* Drives one endpoint until *counter reaches goal. */
void endpoint_until(struct endpoint *e, const uint64_t *counter, uint64_t goal);
void endpoint_until_up(struct endpoint *e, unsigned ups);

/* Drives many: one epoll over hs2n_io_fd of each. */
struct crowd {
  int epoll_fd;
  struct endpoint *e;
  size_t n;
};
void crowd_open(struct crowd *c, size_t n, struct hs2n_identity *const *ids,
                struct endpoint_config config);
void crowd_close(struct crowd *c);
void crowd_turn(struct crowd *c);
void crowd_start(struct crowd *c); /* sends what was sent from outside */

/* Sends body, of a type by its length.  FULL is an answer. */
int endpoint_send(struct endpoint *e, struct hs2n_peer to,
                  struct hs2n_buf *body);

/* One node in each process, the other's only peer, and up. */
void duo_open(struct endpoint *e, const struct micro *m, const struct pair *p,
              struct endpoint_config config);

#endif /* BENCH_ENDPOINT_H */
