/* fake_node: a node that the linker takes in place of the real one, to see
 * what the driver does to it and to make it do what a test wants. */
#ifndef FAKE_NODE_H
#define FAKE_NODE_H

#include <hs2net/io.h>
#include <pthread.h>

#define FAKE_TX_MAX 512

struct fake_tx {
  struct hs2n_addr local;
  struct hs2n_addr remote;
  uint8_t ecn;
  uint8_t *data;
  size_t len;
  size_t segment_len;
};

struct fake_post {
  void (*fn)(struct hs2n_node *node, void *arg);
  void *arg;
};

struct hs2n_node {
  struct hs2n_config config; /* as given to hs2n_node_new */

  /* what the test sets */
  bool echo;           /* answer each datagram with itself */
  hs2n_time deadline;  /* NEVER at first */
  hs2n_time hold;      /* gives nothing out before; 0: at once */
  unsigned stop_ticks; /* ticks from stop until stopped */
  void (*on_recv)(struct hs2n_node *node);
  void *user;

  /* what the driver did */
  unsigned recv_calls;
  unsigned datagrams;
  unsigned ticks;
  unsigned stops;
  bool stopped;
  struct hs2n_rx last_rx; /* data is not kept */
  uint8_t first_byte;     /* of the last datagram */
  hs2n_time last_now;
  bool clock_went_back;

  struct fake_tx tx[FAKE_TX_MAX];
  size_t tx_first;
  size_t tx_count;

  pthread_mutex_t lock; /* posts */
  struct fake_post posts[16];
  size_t posts_n;
  void (*wake)(void *arg);
  void *wake_arg;
};

/* Lets hs2n_node_new fail with this; 0: it works. */
extern int fake_new_result;

/* Queues len bytes of value for remote, segment_len each. */
void fake_send(struct hs2n_node *node, const struct hs2n_addr *remote,
               uint8_t value, size_t len, size_t segment_len);

#endif /* FAKE_NODE_H */
