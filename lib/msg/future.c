/* Messages that the application wants when their view comes (HS2N_HOLD).
 *
 * They are acknowledged: from then on it is for this node to keep them, in
 * limits.rx_future_bytes of each peer.  The farthest view goes first when
 * that is not enough, so a peer that names views out of the blue evicts what
 * it sent itself, never the next view's votes, and nothing of another.
 *
 * When the view comes they go to the front of their lane, and count until
 * they are fetched. */
#include "msg/chan.h"

#include <assert.h>

static struct hs2ni_rx_msg *msg_of(struct hs2ni_list_node *n) {
  return HS2NI_CONTAINER(n, struct hs2ni_rx_msg, node);
}

/* With what a message costs beside its body, so that empty ones count. */
static uint64_t cost(const struct hs2ni_rx_msg *m) {
  return (uint64_t)HS2NI_FUTURE_COST + m->body_len;
}

/* What is kept takes no more than half of what the application may hold, or
 * nothing else of the peer would come through. */
uint64_t hs2ni_future_max(const struct hs2n_limits *limits) {
  return limits->rx_future_bytes < limits->rx_held_bytes / 2
             ? limits->rx_future_bytes
             : limits->rx_held_bytes / 2;
}

/* Behind all of its view, looked for from the end: views come mostly in
 * order. */
static void insert(struct hs2ni_list *list, struct hs2ni_rx_msg *m) {
  struct hs2ni_list_node *behind = NULL;

  for (struct hs2ni_list_node *n = list->tail;
       n != NULL && msg_of(n)->view > m->view; n = n->prev) {
    behind = n;
  }
  if (behind == NULL) {
    hs2ni_list_push_back(list, &m->node);
  } else {
    hs2ni_list_insert_before(list, behind, &m->node);
  }
}

void hs2ni_future_leave(struct hs2ni_rx_msg *m) {
  struct hs2ni_rx *rx = &m->lane->chan->rx;

  if (m->held) {
    m->held = false;
    assert(rx->future_bytes >= cost(m));
    rx->future_bytes -= cost(m);
  }
}

static void evict(struct hs2ni_rx_msg *m) {
  hs2ni_chan_env(m->lane->chan)->stats.messages_evicted++;
  hs2ni_list_remove(&m->lane->chan->rx.future, &m->node);
  hs2ni_rx_msg_free(m);
}

static bool is_too_much(const struct hs2ni_chan *chan) {
  const struct hs2n_limits *limits = &hs2ni_chan_env(chan)->limits;

  return chan->rx.future_bytes > hs2ni_future_max(limits) ||
         msg_of(chan->rx.future.tail)->view - chan->msgs->view >
             limits->rx_future_views;
}

void hs2ni_future_hold(struct hs2ni_rx_msg *m) {
  struct hs2ni_chan *chan = m->lane->chan;
  struct hs2ni_list *future = &chan->rx.future;

  assert(m->acked);
  if (m->view <= chan->msgs->view) {
    hs2ni_rx_msg_free(m); /* its view is here: there is nothing to wait for */
    return;
  }
  m->held = true;
  chan->rx.future_bytes += cost(m);
  insert(future, m);
  while (future->tail != NULL && is_too_much(chan)) {
    evict(msg_of(future->tail));
  }
}

void hs2ni_future_view(struct hs2ni_chan *chan) {
  struct hs2ni_list *future = &chan->rx.future;
  struct hs2ni_list_node *n = future->head;

  while (n != NULL && msg_of(n)->view <= chan->msgs->view) {
    n = n->next;
  }
  /* From the last that is due to the first, each to the front. */
  n = n != NULL ? n->prev : future->tail;
  while (n != NULL) {
    struct hs2ni_rx_msg *m = msg_of(n);

    n = n->prev;
    hs2ni_list_remove(future, &m->node);
    hs2ni_list_push_front(m->loose ? &m->lane->loose.ready : &m->lane->ready,
                          &m->node);
  }
}

void hs2ni_future_void(struct hs2ni_chan *chan) {
  struct hs2ni_list_node *n;

  while ((n = hs2ni_list_pop_front(&chan->rx.future)) != NULL) {
    hs2ni_rx_msg_free(msg_of(n));
  }
}
