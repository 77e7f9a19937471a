/* fake_node: a node that the linker takes in place of the real one, to see
 * what the driver does to it and to make it do what a test wants. */
#ifndef FAKE_NODE_H
#define FAKE_NODE_H

#include <hs2net/io.h>
#include <pthread.h>

#define FAKE_TX_MAX 512

/* What the driver told of pipes, in order. */
#define FAKE_EVENTS_MAX 256

struct fake_event {
  enum hs2n_io_kind kind;
  uint64_t pipe;
  size_t len;
  struct hs2n_addr remote; /* of OPEN */
};

struct fake_tx {
  uint8_t kind;
  uint64_t pipe;
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

  /* of pipes: bytes follow one pattern each way, whichever their pipe */
  struct fake_event events[FAKE_EVENTS_MAX];
  size_t events_n;   /* those beyond the array are only counted */
  size_t bytes_in;   /* of BYTES */
  size_t bytes_sent; /* of SENT */
  size_t bytes_out;  /* given by fake_pipe_bytes */
  bool bad_bytes;    /* what came in was not the pattern */

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

/* The byte at this place of what goes over pipes. */
uint8_t fake_pattern(size_t at);

/* Queues OPEN, with an address, or CLOSE. */
void fake_pipe(struct hs2n_node *node, enum hs2n_io_kind kind, uint64_t pipe,
               const struct hs2n_addr *remote);

/* Queues the next len bytes of the pattern, at most 64 KiB. */
void fake_pipe_bytes(struct hs2n_node *node, uint64_t pipe, size_t len);

/* The first event of the kind for the pipe, 0: any; or NULL. */
const struct fake_event *fake_heard(const struct hs2n_node *node,
                                    enum hs2n_io_kind kind, uint64_t pipe);

#endif /* FAKE_NODE_H */
