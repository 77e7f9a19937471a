#include "base/addr.h"
#include "peer/inside.h"

#include <string.h>

/* Sums of weights stay below this, so that no addition of two can wrap. */
#define WEIGHT_MAX (UINT64_C(1) << 63)

/* ---- checking what the caller gave ----------------------------------------
 */

static bool addr_usable(const struct hs2n_addr *a) {
  return (a->family == HS2N_FAMILY_IPV4 || a->family == HS2N_FAMILY_IPV6) &&
         a->port != 0;
}

static bool member_usable(const struct hs2ni_peers *peers,
                          const struct hs2n_member *m) {
  if (m->weight == 0 || (m->addrs == NULL && m->addrs_n > 0) ||
      m->addrs_n > peers->env->limits.addrs_per_peer_max) {
    return false;
  }
  for (size_t i = 0; i < m->addrs_n; i++) {
    if (!addr_usable(&m->addrs[i])) {
      return false;
    }
  }
  return true;
}

static bool members_usable(const struct hs2ni_peers *peers,
                           const struct hs2n_member *members, size_t n) {
  uint64_t sum = 0;

  if (n == 0 || n > peers->env->limits.peers_max) {
    return false;
  }
  for (size_t i = 0; i < n; i++) {
    if (!member_usable(peers, &members[i]) ||
        members[i].weight > WEIGHT_MAX - sum) {
      return false;
    }
    sum += members[i].weight;
  }
  return true;
}

/* ---- building the epoch in the spare place ---------------------------------
 */

static struct hs2ni_epoch *spare(const struct hs2ni_peers *peers) {
  return &peers->epochs[peers->env->limits.epochs_max];
}

static void undo(struct hs2ni_peers *peers) {
  struct hs2ni_epoch *e = spare(peers);

  for (size_t i = 0; i < e->n; i++) {
    if (e->members[i].peer->epochs == 0) {
      hs2ni_peers_undo_add(e->members[i].peer);
    }
  }
  e->n = 0;
}

static int build_one(struct hs2ni_peers *peers, const struct hs2n_member *m) {
  const struct hs2n_peer_id id = hs2n_key_peer_id(&m->key);
  const int order = memcmp(&id, &peers->id, sizeof(id));
  struct hs2ni_epoch *e = spare(peers);
  struct hs2ni_peer *p;
  int err;

  if (order == 0) {
    if (e->self) {
      return HS2N_ERR_INVALID;
    }
    e->self = true;
    return HS2N_OK;
  }
  p = hs2ni_peers_find(peers, &id);
  if (p == NULL) {
    err = hs2ni_peers_add(peers, &m->key, &id, &p);
    if (err != HS2N_OK) {
      return err;
    }
  } else if (p->mark == peers->mark) {
    return HS2N_ERR_INVALID; /* named twice */
  }
  p->mark = peers->mark;
  e->members[e->n++] = (struct hs2ni_member){.peer = p, .weight = m->weight};
  e->below += order < 0;
  return HS2N_OK;
}

static int build(struct hs2ni_peers *peers, uint64_t number,
                 const struct hs2n_member *members, size_t n) {
  struct hs2ni_epoch *e = spare(peers);

  peers->mark++;
  e->number = number;
  e->self = false;
  e->n = 0;
  e->below = 0;
  for (size_t i = 0; i < n; i++) {
    const int err = build_one(peers, &members[i]);

    if (err != HS2N_OK) {
      return err;
    }
  }
  return HS2N_OK;
}

/* ---- does it fit? ----------------------------------------------------------
 */

static struct hs2ni_epoch *find_epoch(const struct hs2ni_peers *peers,
                                      uint64_t number) {
  for (uint32_t i = 0; i < peers->env->limits.epochs_max; i++) {
    if (peers->epochs[i].live && peers->epochs[i].number == number) {
      return &peers->epochs[i];
    }
  }
  return NULL;
}

/* The spare epoch's members carry the current mark. */
static bool same_keys(const struct hs2ni_peers *peers,
                      const struct hs2ni_epoch *old) {
  const struct hs2ni_epoch *e = spare(peers);

  if (old->n != e->n || old->self != e->self) {
    return false;
  }
  for (size_t i = 0; i < old->n; i++) {
    if (old->members[i].peer->mark != peers->mark) {
      return false;
    }
  }
  return true;
}

static bool kept(const struct hs2ni_epoch *e, uint64_t drop_below) {
  return e->live && e->number >= drop_below;
}

static uint32_t count_unmarked(const struct hs2ni_peers *peers,
                               const struct hs2ni_epoch *e) {
  uint32_t n = 0;

  for (size_t i = 0; i < e->n; i++) {
    if (e->members[i].peer->mark != peers->mark) {
      e->members[i].peer->mark = peers->mark;
      n++;
    }
  }
  return n;
}

/* Counts who will be live, and in how many epochs.  Marks them. */
static int check_room(struct hs2ni_peers *peers, uint64_t drop_below) {
  const struct hs2n_limits *limits = &peers->env->limits;
  const struct hs2ni_epoch *e = spare(peers);
  uint32_t live = (uint32_t)e->n;
  uint32_t epochs = 1;

  for (uint32_t i = 0; i < limits->epochs_max; i++) {
    if (kept(&peers->epochs[i], drop_below) &&
        peers->epochs[i].number != e->number) {
      live += count_unmarked(peers, &peers->epochs[i]);
      epochs++;
    }
  }
  return live > limits->peers_max || epochs > limits->epochs_max ? HS2N_ERR_FULL
                                                                 : HS2N_OK;
}

/* ---- publishing ------------------------------------------------------------
 */

static bool same_addrs(const struct hs2ni_peer *p,
                       const struct hs2n_member *m) {
  if (p->addrs_n != m->addrs_n) {
    return false;
  }
  for (size_t i = 0; i < m->addrs_n; i++) {
    if (!hs2ni_addr_equal(&p->addrs[i], &m->addrs[i])) {
      return false;
    }
  }
  return true;
}

static void set_addrs(struct hs2ni_peers *peers, const struct hs2n_member *m) {
  const struct hs2n_peer_id id = hs2n_key_peer_id(&m->key);
  struct hs2ni_peer *p = hs2ni_peers_find(peers, &id);

  if (p == NULL || same_addrs(p, m)) {
    return; /* p is NULL for this node itself */
  }
  for (size_t i = 0; i < m->addrs_n; i++) {
    p->addrs[i] = m->addrs[i];
  }
  p->addrs_n = (uint32_t)m->addrs_n;
  p->addrs_own = 0;
  p->addr_next = 0;
  hs2ni_peer_apply(p, &(struct hs2ni_pair_event){
                          .kind = m->addrs_n > 0 ? HS2NI_PAIR_ON_ADDRESS
                                                 : HS2NI_PAIR_ON_NO_ADDRESS});
}

static void count_members(const struct hs2ni_epoch *e, int by) {
  for (size_t i = 0; i < e->n; i++) {
    e->members[i].peer->epochs += (uint32_t)by;
  }
}

static void drop(struct hs2ni_epoch *e) {
  count_members(e, -1);
  e->live = false;
}

/* Swaps the spare epoch with a free one, so that no array is copied. */
static void publish(struct hs2ni_peers *peers) {
  struct hs2ni_epoch *e = spare(peers);
  struct hs2ni_epoch *to = peers->epochs;
  struct hs2ni_epoch old;

  while (to->live) {
    to++;
  }
  old = *to;
  *to = *e;
  to->live = true;
  *e = old;
  e->n = 0;
}

static void retire_unnamed(struct hs2ni_peers *peers,
                           const struct hs2ni_epoch *dropped) {
  for (size_t i = 0; i < dropped->n; i++) {
    struct hs2ni_peer *p = dropped->members[i].peer;

    if (p->epochs == 0 && hs2ni_peers_find(peers, &p->id) == p) {
      hs2ni_peers_retire(p);
    }
  }
}

/* Notes the weights of the epoch where no newer one names the peer. */
static void weigh_epoch(const struct hs2ni_epoch *e) {
  for (size_t i = 0; i < e->n; i++) {
    struct hs2ni_peer *p = e->members[i].peer;

    if (e->number >= p->weight_epoch) {
      p->weight_epoch = e->number;
      p->weight = e->members[i].weight;
    }
  }
}

static void weigh(struct hs2ni_peers *peers) {
  struct hs2ni_peer *p;
  uint32_t at = 0;

  while ((p = hs2ni_peers_each(peers, &at)) != NULL) {
    p->weight_epoch = 0;
  }
  for (uint32_t i = 0; i < peers->env->limits.epochs_max; i++) {
    if (peers->epochs[i].live) {
      weigh_epoch(&peers->epochs[i]);
    }
  }
}

static void commit(struct hs2ni_peers *peers, struct hs2ni_epoch *same,
                   uint64_t drop_below) {
  const uint32_t n = peers->env->limits.epochs_max;

  count_members(spare(peers), 1);
  if (same != NULL) {
    drop(same);
  }
  for (uint32_t i = 0; i < n; i++) {
    struct hs2ni_epoch *e = &peers->epochs[i];

    if (e->live && e->number < drop_below) {
      drop(e);
      retire_unnamed(peers, e);
      e->n = 0;
    }
  }
  publish(peers);
  weigh(peers);
}

int hs2ni_peers_set(struct hs2ni_peers *peers, uint64_t epoch,
                    const struct hs2n_member *members, size_t n,
                    uint64_t drop_below) {
  struct hs2ni_epoch *same = find_epoch(peers, epoch);
  int err;

  if (epoch < drop_below || !members_usable(peers, members, n)) {
    return HS2N_ERR_INVALID;
  }
  err = build(peers, epoch, members, n);
  if (err == HS2N_OK && same != NULL && !same_keys(peers, same)) {
    err = HS2N_ERR_INVALID;
  }
  if (err == HS2N_OK) {
    err = check_room(peers, drop_below);
  }
  if (err != HS2N_OK) {
    undo(peers);
    return err;
  }
  commit(peers, same, drop_below);
  for (size_t i = 0; i < n; i++) {
    set_addrs(peers, &members[i]);
  }
  return HS2N_OK;
}

/* ---- looking ---------------------------------------------------------------
 */

const struct hs2ni_epoch *hs2ni_peers_epoch(const struct hs2ni_peers *peers,
                                            uint64_t number) {
  return find_epoch(peers, number);
}

const struct hs2ni_epoch *hs2ni_peers_newest(const struct hs2ni_peers *peers) {
  const struct hs2ni_epoch *newest = NULL;

  for (uint32_t i = 0; i < peers->env->limits.epochs_max; i++) {
    const struct hs2ni_epoch *e = &peers->epochs[i];

    if (e->live && (newest == NULL || e->number > newest->number)) {
      newest = e;
    }
  }
  return newest;
}
