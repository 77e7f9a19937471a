#include "mempool.h"

#include "siphash.h"

#include <assert.h>
#include <stdlib.h>

static_assert(REP_MEMPOOL_KEY_LEN == REP_SIPHASH_KEY_LEN,
              "the secret is the key of the hash");

#define NIL UINT32_MAX

/* PENDING: content, no branch block has it; in the list.  Otherwise branch
 * blocks have it, and the content may not have come yet. */
struct entry {
  uint64_t key;
  uint8_t *tx; /* NULL: only seen in blocks */
  uint32_t len;
  uint32_t in_branch; /* how many blocks of the branch have it */
  uint32_t prev;      /* of the pending list */
  uint32_t next;      /* of the pending list, or of the free list */
  uint32_t chain;     /* same bucket */
};

struct rep_mempool {
  struct rep_mempool_limits limits;
  uint8_t secret[REP_MEMPOOL_KEY_LEN];
  struct rep_window committed;
  struct entry *entries;
  uint32_t *buckets;
  uint32_t mask;
  uint32_t free_first;
  uint32_t first; /* pending, oldest first */
  uint32_t last;
  uint32_t pending;
  uint32_t held; /* entries with content */
  size_t bytes;
};

static bool allocate(struct rep_mempool *m) {
  /* As many again for transactions that blocks bring before clients do. */
  const uint32_t count = 2 * m->limits.txs_max;
  uint32_t buckets = 2;

  while (buckets < count) {
    buckets *= 2;
  }
  m->mask = buckets - 1;
  m->entries = calloc(count, sizeof(*m->entries));
  m->buckets = malloc(buckets * sizeof(*m->buckets));
  if (!rep_window_init(&m->committed, m->limits.window_txs) ||
      m->entries == NULL || m->buckets == NULL) {
    return false;
  }
  memset(m->buckets, 0xff, buckets * sizeof(*m->buckets));
  for (uint32_t i = 0; i < count; i++) {
    m->entries[i].next = i + 1 < count ? i + 1 : NIL;
  }
  m->free_first = 0;
  m->first = m->last = NIL;
  return true;
}

struct rep_mempool *rep_mempool_new(const struct rep_mempool_limits *limits,
                                    const uint8_t secret[REP_MEMPOOL_KEY_LEN]) {
  struct rep_mempool *const m = calloc(1, sizeof(*m));

  assert(limits->txs_max >= 1 && limits->txs_max <= 1u << 26);
  if (m == NULL) {
    return NULL;
  }
  m->limits = *limits;
  memcpy(m->secret, secret, sizeof(m->secret));
  if (!allocate(m)) {
    rep_mempool_free(m);
    return NULL;
  }
  return m;
}

void rep_mempool_free(struct rep_mempool *m) {
  if (m == NULL) {
    return;
  }
  if (m->entries != NULL) {
    for (uint32_t i = 0; i < 2 * m->limits.txs_max; i++) {
      free(m->entries[i].tx);
    }
  }
  rep_window_fini(&m->committed);
  free(m->entries);
  free(m->buckets);
  free(m);
}

uint64_t rep_mempool_key(const struct rep_mempool *m, struct hs2n_span tx) {
  return rep_siphash13(m->secret, tx);
}

/* ---- entries ----------------------------------------------------------- */

static uint32_t find(const struct rep_mempool *m, uint64_t key) {
  uint32_t i = m->buckets[key & m->mask];

  while (i != NIL && m->entries[i].key != key) {
    i = m->entries[i].chain;
  }
  return i;
}

/* A new entry without content, or NIL when all are taken. */
static uint32_t create(struct rep_mempool *m, uint64_t key) {
  const uint32_t i = m->free_first;
  struct entry *e;

  if (i == NIL) {
    return NIL;
  }
  e = &m->entries[i];
  m->free_first = e->next;
  *e = (struct entry){
      .key = key, .prev = NIL, .next = NIL, .chain = m->buckets[key & m->mask]};
  m->buckets[key & m->mask] = i;
  return i;
}

static void list_remove(struct rep_mempool *m, uint32_t i) {
  struct entry *const e = &m->entries[i];

  *(e->prev != NIL ? &m->entries[e->prev].next : &m->first) = e->next;
  *(e->next != NIL ? &m->entries[e->next].prev : &m->last) = e->prev;
  e->prev = e->next = NIL;
  m->pending--;
}

static void list_append(struct rep_mempool *m, uint32_t i) {
  struct entry *const e = &m->entries[i];

  e->prev = m->last;
  e->next = NIL;
  *(m->last != NIL ? &m->entries[m->last].next : &m->first) = i;
  m->last = i;
  m->pending++;
}

static void list_prepend(struct rep_mempool *m, uint32_t i) {
  struct entry *const e = &m->entries[i];

  e->next = m->first;
  e->prev = NIL;
  *(m->first != NIL ? &m->entries[m->first].prev : &m->last) = i;
  m->first = i;
  m->pending++;
}

static void destroy(struct rep_mempool *m, uint32_t i) {
  struct entry *const e = &m->entries[i];
  uint32_t *at = &m->buckets[e->key & m->mask];

  while (*at != i) {
    at = &m->entries[*at].chain;
  }
  *at = e->chain;
  if (e->tx != NULL) {
    if (e->in_branch == 0) {
      list_remove(m, i);
    }
    m->held--;
    m->bytes -= e->len;
    free(e->tx);
    e->tx = NULL;
  }
  e->next = m->free_first;
  m->free_first = i;
}

/* ---- transactions ------------------------------------------------------ */

bool rep_mempool_has_room(const struct rep_mempool *m, size_t len) {
  return m->held < m->limits.txs_max && len <= m->limits.bytes_max - m->bytes;
}

enum rep_mempool_result rep_mempool_add(struct rep_mempool *m,
                                        struct hs2n_span tx) {
  const uint64_t key = rep_mempool_key(m, tx);
  uint32_t i = find(m, key);
  uint8_t *copy;

  assert(tx.len >= 1);
  if (i != NIL && m->entries[i].tx != NULL) {
    return REP_TX_KNOWN;
  }
  if (i == NIL && rep_window_has(&m->committed, key)) {
    return REP_TX_COMMITTED;
  }
  if (tx.len > UINT32_MAX || !rep_mempool_has_room(m, tx.len)) {
    return REP_TX_FULL;
  }
  copy = malloc(tx.len);
  if (copy == NULL) {
    return REP_TX_FULL;
  }
  if (i == NIL) {
    i = create(m, key);
  }
  if (i == NIL) {
    free(copy);
    return REP_TX_FULL;
  }
  memcpy(copy, tx.data, tx.len);
  m->entries[i].tx = copy;
  m->entries[i].len = (uint32_t)tx.len;
  m->held++;
  m->bytes += tx.len;
  if (m->entries[i].in_branch == 0) {
    list_append(m, i);
  }
  return REP_TX_ADDED;
}

uint32_t rep_mempool_pending(const struct rep_mempool *m) {
  return m->pending;
}

uint32_t rep_mempool_held(const struct rep_mempool *m) {
  return m->held;
}

uint32_t rep_mempool_fit(const struct rep_mempool *m, uint32_t txs_max,
                         size_t bytes_max, size_t *out_len) {
  uint32_t count = 0;
  size_t len = 0;

  for (uint32_t i = m->first; i != NIL && count < txs_max;
       i = m->entries[i].next) {
    const size_t room = rep_tx_room(m->entries[i].len);

    if (room > bytes_max - len) {
      break;
    }
    len += room;
    count++;
  }
  *out_len = len;
  return count;
}

void rep_mempool_write(const struct rep_mempool *m, uint32_t count,
                       struct rep_writer *w, uint64_t *keys) {
  uint32_t i = m->first;

  for (uint32_t k = 0; k < count; k++) {
    const struct entry *const e = &m->entries[i];

    assert(i != NIL);
    rep_write_be(w, e->len, 4);
    rep_write_copy(w, e->tx, e->len);
    keys[k] = e->key;
    i = e->next;
  }
}

void rep_mempool_enter(struct rep_mempool *m, const uint64_t *keys,
                       uint32_t count) {
  for (uint32_t k = 0; k < count; k++) {
    uint32_t i = find(m, keys[k]);

    if (i == NIL) {
      i = create(m, keys[k]);
    }
    if (i == NIL) {
      continue; /* may be proposed twice then; commitment sorts it out */
    }
    if (m->entries[i].in_branch == 0 && m->entries[i].tx != NULL) {
      list_remove(m, i);
    }
    m->entries[i].in_branch++;
  }
}

void rep_mempool_leave(struct rep_mempool *m, const uint64_t *keys,
                       uint32_t count) {
  /* Backwards, so that the oldest ends up first again. */
  for (uint32_t k = count; k-- > 0;) {
    const uint32_t i = find(m, keys[k]);

    if (i == NIL || m->entries[i].in_branch == 0) {
      continue;
    }
    m->entries[i].in_branch--;
    if (m->entries[i].in_branch > 0) {
      continue;
    }
    if (m->entries[i].tx != NULL) {
      list_prepend(m, i);
    } else {
      destroy(m, i);
    }
  }
}

void rep_mempool_commit(struct rep_mempool *m, const uint64_t *keys,
                        uint32_t count, bool *fresh) {
  for (uint32_t k = 0; k < count; k++) {
    const uint32_t i = find(m, keys[k]);
    const bool is_new = rep_window_add(&m->committed, keys[k]);

    if (i != NIL) {
      destroy(m, i);
    }
    if (fresh != NULL) {
      fresh[k] = is_new;
    }
  }
}
