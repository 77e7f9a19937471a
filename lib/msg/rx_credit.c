/* Flow-control credit of what comes in, and the memory of received bodies.
 *
 * Credit of record bytes goes back at once.  Credit of bodies goes back as
 * they come while the application holds at most rx_held_bytes of whole ones,
 * and otherwise waits until it lets go.  Bodies that are not whole do not
 * count: what holds them up is their own missing bytes. */
#include "msg/chan.h"

#include <assert.h>

/* Unfetched bodies are bounded by the number of unfetched messages. */
static uint64_t unfetched_max(const struct hs2n_limits *limits) {
  return HS2NI_BODIES_MAX +
         HS2N_LANES * ((uint64_t)limits->tx_queue_msgs_max + 2);
}

static uint64_t bodies_held_max_of(const struct hs2n_limits *limits) {
  return unfetched_max(limits) + limits->rx_held_bytes / 256;
}

uint64_t hs2ni_rx_bodies_max(const struct hs2n_limits *limits) {
  return bodies_held_max_of(limits) + unfetched_max(limits);
}

static uint64_t bodies_n(const struct hs2ni_chan *chan) {
  const struct hs2ni_ledger *ledger = chan->rx.ledger;

  return (uint64_t)ledger->account->refs + ledger->inflated->refs - 2u;
}

static uint64_t bodies_held_max(const struct hs2ni_chan *chan) {
  return bodies_held_max_of(&hs2ni_chan_env(chan)->limits);
}

bool hs2ni_rx_holds_too_many(const struct hs2ni_chan *chan) {
  return bodies_n(chan) > bodies_held_max(chan);
}

static void wake_lanes(struct hs2ni_chan *chan) {
  for (size_t i = 0; i < HS2N_LANES; i++) {
    hs2ni_rx_lane_update(&chan->rx.lanes[i]);
  }
}

static void ledger_free(struct hs2ni_ledger *ledger) {
  struct hs2ni_store *store = ledger->store;

  hs2ni_account_close(ledger->account);
  hs2ni_account_close(ledger->inflated);
  hs2ni_pool_give(&store->pool, ledger, sizeof(*ledger));
}

/* References of both accounts: one of each is the ledger's. */
static uint64_t refs_of(const struct hs2ni_ledger *ledger) {
  return (uint64_t)ledger->account->refs + ledger->inflated->refs;
}

/* Goes together with a closed ledger's last body. */
static void ledger_unref_store(struct hs2ni_ledger *ledger) {
  struct hs2ni_store *store = ledger->store;

  ledger_free(ledger);
  hs2ni_store_unref(store);
}

/* What is held beyond what one connection could bring without a loan. */
static uint64_t overhang_of(const struct hs2ni_chan *chan) {
  const struct hs2n_limits *l = &hs2ni_chan_env(chan)->limits;
  const uint64_t own = (uint64_t)l->rx_held_bytes + l->rx_window_bytes;
  const uint64_t held = hs2ni_rx_held_bytes(chan);

  return held > own ? held - own : 0;
}

static void overhang_lower(struct hs2ni_chan *chan, uint64_t to) {
  struct hs2ni_rx *rx = &chan->rx;

  if (to < rx->overhang) {
    hs2ni_share_give(&hs2ni_chan_env(chan)->rx_share, rx->overhang - to);
    rx->overhang = to;
  }
}

void hs2ni_rx_carry_begin(struct hs2ni_chan *chan) {
  chan->rx.carries = hs2ni_rx_holds_too_much(chan);
}

bool hs2ni_rx_carries(struct hs2ni_chan *chan) {
  chan->rx.carries = chan->rx.carries && hs2ni_rx_holds_too_much(chan);
  return chan->rx.carries;
}

void hs2ni_rx_carry_end(struct hs2ni_chan *chan) {
  const uint64_t overhang = overhang_of(chan);

  if (overhang > chan->rx.overhang) {
    hs2ni_share_keep(&hs2ni_chan_env(chan)->rx_share,
                     overhang - chan->rx.overhang);
    chan->rx.overhang = overhang;
  }
}

void hs2ni_rx_carry_void(struct hs2ni_chan *chan) {
  overhang_lower(chan, 0);
}

static void on_released(void *user, size_t len) {
  struct hs2ni_ledger *ledger = user;

  (void)len;
  if (ledger->chan != NULL) {
    overhang_lower(ledger->chan, overhang_of(ledger->chan));
    hs2ni_rx_credit_flush(ledger->chan);
    /* The account still counts the body that goes.  Where bodies are
     * inflated, any that goes may make room for the next. */
    if (ledger->chan->msgs->codecs != 0 ||
        bodies_n(ledger->chan) == bodies_held_max(ledger->chan)) {
      wake_lanes(ledger->chan);
    }
  } else if (refs_of(ledger) == 3) {
    /* That was the last body: its own reference is the third one. */
    ledger_unref_store(ledger);
  }
}

int hs2ni_ledger_new(struct hs2ni_ledger **out, struct hs2ni_chan *chan) {
  struct hs2ni_store *store = chan->msgs->store;
  struct hs2ni_ledger *ledger = hs2ni_pool_take(&store->pool, sizeof(*ledger));
  int err;

  if (ledger == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  *ledger = (struct hs2ni_ledger){.store = store, .chan = chan};
  err = hs2ni_account_new(&ledger->account, hs2ni_chan_env(chan), on_released,
                          ledger);
  if (err == HS2N_OK) {
    err = hs2ni_account_new(&ledger->inflated, hs2ni_chan_env(chan),
                            on_released, ledger);
  }
  if (err != HS2N_OK) {
    ledger_free(ledger);
    return err;
  }
  store->refs++;
  *out = ledger;
  return HS2N_OK;
}

void hs2ni_ledger_close(struct hs2ni_ledger *ledger) {
  if (ledger == NULL) {
    return;
  }
  ledger->chan = NULL;
  if (refs_of(ledger) == 2) {
    ledger_unref_store(ledger);
  }
}

struct hs2n_buf *hs2ni_rx_buf_new(struct hs2ni_chan *chan, uint32_t len) {
  struct hs2n_buf *buf;

  if (hs2ni_buf_receive(&buf, hs2ni_chan_pool(chan), chan->rx.ledger->account,
                        len) != HS2N_OK) {
    return NULL;
  }
  chan->rx.assembling_bytes += len;
  return buf;
}

void hs2ni_rx_buf_whole(struct hs2ni_chan *chan, uint32_t len) {
  assert(chan->rx.assembling_bytes >= len);
  chan->rx.assembling_bytes -= len;
}

void hs2ni_rx_buf_drop(struct hs2ni_chan *chan, struct hs2n_buf *buf,
                       uint32_t len) {
  if (buf != NULL) {
    hs2ni_rx_buf_whole(chan, len);
    hs2ni_buf_unref(buf);
  }
}

uint64_t hs2ni_rx_held_bytes(const struct hs2ni_chan *chan) {
  const struct hs2ni_ledger *ledger = chan->rx.ledger;

  return ledger->account->held_bytes - chan->rx.assembling_bytes +
         ledger->inflated->held_bytes;
}

bool hs2ni_rx_holds_too_much(const struct hs2ni_chan *chan) {
  return hs2ni_rx_held_bytes(chan) > hs2ni_chan_env(chan)->limits.rx_held_bytes;
}

void hs2ni_rx_credit(struct hs2ni_chan *chan, uint64_t stream, size_t len) {
  if (len > 0 && chan->conn != NULL) {
    chan->conn->ops->credit(chan->conn, stream, len);
  }
}

void hs2ni_rx_withhold(struct hs2ni_chan *chan, struct hs2ni_held *held,
                       size_t len) {
  if (!chan->rx.withholding) {
    chan->rx.withholding = true;
    hs2ni_chan_env(chan)->stats.rx_withheld++;
  }
  held->bytes += len;
}

void hs2ni_rx_credit_body(struct hs2ni_chan *chan, uint64_t stream,
                          struct hs2ni_held *held, size_t len) {
  if (!hs2ni_rx_holds_too_much(chan)) {
    hs2ni_rx_credit(chan, stream, len);
    return;
  }
  hs2ni_rx_withhold(chan, held, len);
}

void hs2ni_rx_held_end(struct hs2ni_chan *chan, uint64_t stream,
                       struct hs2ni_held *held) {
  if (held->bytes > 0) {
    chan->rx.held_ended.bytes += held->bytes;
    chan->rx.ended_stream = stream;
    held->bytes = 0;
  }
}

static void flush(struct hs2ni_chan *chan, uint64_t stream,
                  struct hs2ni_held *held) {
  const uint64_t bytes = held->bytes;

  held->bytes = 0;
  hs2ni_rx_credit(chan, stream, (size_t)bytes);
}

void hs2ni_rx_credit_flush(struct hs2ni_chan *chan) {
  if (!chan->rx.withholding || hs2ni_rx_holds_too_much(chan)) {
    return;
  }
  chan->rx.withholding = false;
  flush(chan, chan->rx.ended_stream, &chan->rx.held_ended);
  for (size_t i = 0; i < HS2N_LANES; i++) {
    struct hs2ni_rx_lane *lane = &chan->rx.lanes[i];

    lane->starved = false;
    flush(chan, lane->stream, &lane->held);
    for (struct hs2ni_list_node *n = lane->pairs.head; n != NULL; n = n->next) {
      struct hs2ni_rx_pair *p = HS2NI_CONTAINER(n, struct hs2ni_rx_pair, node);

      flush(chan, p->stream, &p->held);
    }
  }
}
