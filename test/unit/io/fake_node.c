#include "fake_node.h"

#include <stdlib.h>
#include <string.h>

int fake_new_result;

void hs2n_config_default(struct hs2n_config *out) {
  *out = (struct hs2n_config){.struct_size = sizeof(*out)};
}

int hs2n_node_new(struct hs2n_node **out_node, const struct hs2n_config *config,
                  hs2n_time now, const char **out_field) {
  struct hs2n_node *node;

  if (fake_new_result != HS2N_OK) {
    if (out_field != NULL) {
      *out_field = "chain_id";
    }
    return fake_new_result;
  }
  node = calloc(1, sizeof(*node));
  if (node == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  node->config = *config;
  node->deadline = HS2N_TIME_NEVER;
  node->last_now = now;
  pthread_mutex_init(&node->lock, NULL);
  *out_node = node;
  return HS2N_OK;
}

static void drop_tx(struct hs2n_node *node) {
  while (node->tx_count > 0) {
    free(node->tx[node->tx_first].data);
    node->tx_first = (node->tx_first + 1) % FAKE_TX_MAX;
    node->tx_count--;
  }
}

void hs2n_node_free(struct hs2n_node *node) {
  if (node != NULL) {
    drop_tx(node);
    pthread_mutex_destroy(&node->lock);
    free(node);
  }
}

static void note_time(struct hs2n_node *node, hs2n_time now) {
  node->clock_went_back |= now < node->last_now;
  node->last_now = now;
}

void hs2n_node_stop(struct hs2n_node *node, hs2n_time now) {
  note_time(node, now);
  node->stops++;
  node->deadline = now;
}

bool hs2n_node_stopped(const struct hs2n_node *node) {
  return node->stopped && node->tx_count == 0;
}

static void queue(struct hs2n_node *node, struct fake_tx tx,
                  const uint8_t *data) {
  if (node->tx_count == FAKE_TX_MAX) {
    return;
  }
  tx.data = malloc(tx.len + 1);
  memcpy(tx.data, data, tx.len);
  node->tx[(node->tx_first + node->tx_count) % FAKE_TX_MAX] = tx;
  node->tx_count++;
}

void fake_send(struct hs2n_node *node, const struct hs2n_addr *remote,
               uint8_t value, size_t len, size_t segment_len) {
  static uint8_t bytes[65536];

  memset(bytes, value, len);
  queue(node,
        (struct fake_tx){
            .remote = *remote, .len = len, .segment_len = segment_len},
        bytes);
}

/* ---- pipes --------------------------------------------------------------- */

uint8_t fake_pattern(size_t at) {
  return (uint8_t)(at * 7 + at / 251);
}

void fake_pipe(struct hs2n_node *node, enum hs2n_io_kind kind, uint64_t pipe,
               const struct hs2n_addr *remote) {
  struct fake_tx tx = {.kind = (uint8_t)kind, .pipe = pipe};
  static const uint8_t none;

  if (remote != NULL) {
    tx.remote = *remote;
  }
  queue(node, tx, &none);
}

void fake_pipe_bytes(struct hs2n_node *node, uint64_t pipe, size_t len) {
  static uint8_t bytes[65536];

  for (size_t i = 0; i < len; i++) {
    bytes[i] = fake_pattern(node->bytes_out + i);
  }
  node->bytes_out += len;
  queue(node, (struct fake_tx){.kind = HS2N_IO_BYTES, .pipe = pipe, .len = len},
        bytes);
}

const struct fake_event *fake_heard(const struct hs2n_node *node,
                                    enum hs2n_io_kind kind, uint64_t pipe) {
  for (size_t i = 0; i < node->events_n && i < FAKE_EVENTS_MAX; i++) {
    if (node->events[i].kind == kind &&
        (pipe == 0 || node->events[i].pipe == pipe)) {
      return &node->events[i];
    }
  }
  return NULL;
}

static void take_piped(struct hs2n_node *node, const struct hs2n_rx *rx) {
  if (node->events_n < FAKE_EVENTS_MAX) {
    node->events[node->events_n] =
        (struct fake_event){.kind = (enum hs2n_io_kind)rx->kind,
                            .pipe = rx->pipe,
                            .len = rx->len,
                            .remote = rx->remote};
  }
  node->events_n++;
  if (rx->kind == HS2N_IO_SENT) {
    node->bytes_sent += rx->len;
  } else if (rx->kind == HS2N_IO_BYTES) {
    for (size_t i = 0; i < rx->len; i++) {
      node->bad_bytes |= rx->data[i] != fake_pattern(node->bytes_in + i);
    }
    node->bytes_in += rx->len;
  }
}

/* ---- what comes in ------------------------------------------------------- */

static void take(struct hs2n_node *node, const struct hs2n_rx *rx) {
  const size_t each = rx->segment_len == 0 ? rx->len : rx->segment_len;
  size_t at = 0;

  node->last_rx = *rx;
  node->last_rx.data = NULL;
  do {
    const size_t len = rx->len - at < each ? rx->len - at : each;

    node->datagrams++;
    node->first_byte = len > 0 ? rx->data[at] : 0;
    if (node->echo) {
      queue(node,
            (struct fake_tx){.local = rx->local,
                             .remote = rx->remote,
                             .ecn = rx->ecn,
                             .len = len,
                             .segment_len = len},
            rx->data + at);
    }
    at += len;
  } while (at < rx->len);
}

void hs2n_node_recv(struct hs2n_node *node, const struct hs2n_rx *rx, size_t n,
                    hs2n_time now) {
  note_time(node, now);
  node->recv_calls++;
  for (size_t i = 0; i < n; i++) {
    if (rx[i].kind == HS2N_IO_DATAGRAM) {
      take(node, &rx[i]);
    } else {
      take_piped(node, &rx[i]);
    }
  }
  if (node->on_recv != NULL) {
    node->on_recv(node);
  }
}

static bool next_post(struct hs2n_node *node, struct fake_post *out) {
  bool any;

  pthread_mutex_lock(&node->lock);
  any = node->posts_n > 0;
  if (any) {
    *out = node->posts[0];
    node->posts_n--;
    memmove(node->posts, node->posts + 1,
            node->posts_n * sizeof(node->posts[0]));
  }
  pthread_mutex_unlock(&node->lock);
  return any;
}

static size_t waiting_posts(struct hs2n_node *node) {
  size_t n;

  pthread_mutex_lock(&node->lock);
  n = node->posts_n;
  pthread_mutex_unlock(&node->lock);
  return n;
}

/* What a post posts waits for the next tick. */
void hs2n_node_tick(struct hs2n_node *node, hs2n_time now) {
  struct fake_post post;

  note_time(node, now);
  node->ticks++;
  if (node->deadline <= now) {
    node->deadline = HS2N_TIME_NEVER;
  }
  if (node->stops > 0) {
    node->stopped = node->stop_ticks == 0;
    if (!node->stopped) {
      node->stop_ticks--;
      node->deadline = now + HS2N_US(100);
    }
  }
  for (size_t n = waiting_posts(node); n > 0 && next_post(node, &post); n--) {
    post.fn(node, post.arg);
  }
}

hs2n_time hs2n_node_deadline(const struct hs2n_node *node) {
  return node->deadline;
}

size_t hs2n_node_poll_tx(struct hs2n_node *node, struct hs2n_tx *tx, size_t n,
                         hs2n_time now) {
  size_t i = 0;

  note_time(node, now);
  if (now < node->hold) {
    return 0;
  }
  for (; i < n && node->tx_count > 0; i++) {
    struct fake_tx *from = &node->tx[node->tx_first];

    tx[i].kind = from->kind;
    tx[i].pipe = from->pipe;
    tx[i].local = from->local;
    tx[i].remote = from->remote;
    tx[i].ecn = from->ecn;
    tx[i].len = from->len;
    tx[i].segment_len = from->segment_len;
    memcpy(tx[i].data, from->data, from->len);
    free(from->data);
    node->tx_first = (node->tx_first + 1) % FAKE_TX_MAX;
    node->tx_count--;
  }
  return i;
}

int hs2n_post(struct hs2n_node *node,
              void (*fn)(struct hs2n_node *node, void *arg), void *arg) {
  bool room;

  pthread_mutex_lock(&node->lock);
  room = node->posts_n < sizeof(node->posts) / sizeof(node->posts[0]);
  if (room) {
    node->posts[node->posts_n] = (struct fake_post){.fn = fn, .arg = arg};
    node->posts_n++;
  }
  pthread_mutex_unlock(&node->lock);
  if (room && node->wake != NULL) {
    node->wake(node->wake_arg);
  }
  return room ? HS2N_OK : HS2N_ERR_FULL;
}

void hs2n_node_on_post(struct hs2n_node *node, void (*wake)(void *arg),
                       void *arg) {
  node->wake = wake;
  node->wake_arg = arg;
}
