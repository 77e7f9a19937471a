/* core_sync: fetching blocks from peers, and serving them.
 *
 * A block's hash covers the certificate of its parent, and a quorum vouches
 * for the hash of the last block of an answer: so one verified certificate
 * proves the whole chain below it, certificates included. */
#include "core_int.h"

#include <assert.h>
#include <stdlib.h>

/* Time that a question gets beyond the turn of each who is asked, in such
 * turns: a late answer is as good as any. */
#define SPARE_TURNS 3

/* ---- asking ------------------------------------------------------------- */

struct whom {
  uint32_t list[REP_N_MAX];
  uint32_t count;
  struct rep_signers named;
};

static void name(const struct rep_core *core, struct whom *whom,
                 uint32_t replica) {
  if (replica != rep_me(core) && !rep_signers_has(&whom->named, replica)) {
    rep_signers_add(&whom->named, replica);
    whom->list[whom->count] = replica;
    whom->count++;
  }
}

/* Who extends the missing block has it, and was there a moment ago.  After
 * that proposer the signers: f+1 of them are honest, had the block when they
 * voted, and keep it until a later one is certified.  When none of these
 * helped, anybody might.  Replicas begin at different places, lest they all
 * ask the same one. */
static void whom_to_ask(const struct rep_core *core, struct whom *out) {
  const uint32_t n = core->config.committee.n;

  *out = (struct whom){.count = 0};
  for (uint32_t i = 0; i < core->held_count; i++) {
    if (rep_hash_eq(&core->held[i].parent, &core->lock->block)) {
      name(core, out, core->held[i].from);
    }
  }
  for (uint32_t i = 1; i < n; i++) {
    const uint32_t replica = (rep_me(core) + i) % n;

    if (rep_signers_has(&core->lock->signers, replica)) {
      name(core, out, replica);
    }
  }
  for (uint32_t i = 1; i < n && core->sync.tries > 0; i++) {
    name(core, out, (rep_me(core) + i) % n);
  }
}

/* How long to wait after a question that did not help: doubled each time, but
 * not for ever, because what kept the others away may be gone. */
static hs2n_time pause_of(const struct rep_core *core) {
  const hs2n_time most = core->config.sync_retry;
  hs2n_time t = rep_pacemaker_base(&core->pacemaker);

  for (uint32_t i = 1; i < core->sync.tries && t < most; i++) {
    t *= 2;
  }
  return t < most ? t : most;
}

static void fail(struct rep_core *core, hs2n_time now) {
  struct rep_sync *const s = &core->sync;

  s->open = false;
  s->next_height = 0; /* what was got may have been another branch */
  if (s->tries < UINT32_MAX) {
    s->tries++;
  }
  s->pause_end = now + pause_of(core);
}

static bool ask(struct rep_core *core, hs2n_time now) {
  struct rep_sync *const s = &core->sync;
  struct rep_sync_request request = {.from_height = core->tree.root.height + 1,
                                     .want = core->lock->block};
  struct rep_bytes *const body = rep_bytes_new(REP_SYNC_REQUEST_LEN);
  struct rep_writer w;
  struct whom whom;
  hs2n_time time;

  if (body == NULL) {
    core->counters.dropped++;
    return false;
  }
  if (s->next_height > request.from_height) {
    request.from_height = s->next_height;
  }
  w = rep_writer_of(body->data, body->len);
  rep_sync_request_write(&w, &request);
  whom_to_ask(core, &whom);
  time = (whom.count + SPARE_TURNS) * core->config.sync_retry;
  s->want = request.want;
  s->open =
      core->env.ask(core->env.self, whom.list, whom.count, body, now + time);
  core->counters.sync_requests += s->open ? 1 : 0;
  rep_bytes_unref(body);
  return s->open;
}

void rep_sync_step(struct rep_core *core, hs2n_time now) {
  struct rep_sync *const s = &core->sync;

  if (rep_tree_knows(&core->tree, &core->lock->block)) {
    s->open = false;
    s->tries = 0;
    s->next_height = 0;
    return;
  }
  if (s->open || (s->tries > 0 && now < s->pause_end)) {
    return;
  }
  if (!ask(core, now)) {
    fail(core, now);
  }
}

hs2n_time rep_sync_deadline(const struct rep_core *core) {
  const struct rep_sync *const s = &core->sync;

  return s->open || s->tries == 0 ? HS2N_TIME_NEVER : s->pause_end;
}

void rep_core_unanswered(struct rep_core *core, hs2n_time now) {
  if (core->sync.open) {
    fail(core, now);
  }
}

/* ---- taking an answer --------------------------------------------------- */

struct chain {
  struct rep_block **blocks;
  uint32_t count;
};

static void chain_fini(struct chain *chain) {
  for (uint32_t i = 0; i < chain->count; i++) {
    rep_block_unref(chain->blocks[i]);
  }
  free(chain->blocks);
  *chain = (struct chain){0};
}

static bool follows(const struct rep_core *core, const struct chain *chain,
                    const struct rep_block *block) {
  const struct rep_block *parent;

  if (block->txs_count > core->config.block_txs_max ||
      block->encoding.len > core->config.block_bytes_max) {
    return false;
  }
  if (chain->count == 0) {
    return rep_tree_knows(&core->tree, &block->parent) &&
           block->height == rep_tree_height(&core->tree, &block->parent) + 1;
  }
  parent = chain->blocks[chain->count - 1];
  return rep_hash_eq(&block->parent, &parent->hash) &&
         block->height == parent->height + 1;
}

/* Reads the blocks and checks that they are a chain on what is known here.
 * What was committed since the question is passed over. */
static bool read_chain(struct rep_core *core,
                       struct rep_sync_response *response, struct chain *out) {
  struct chain chain = {.count = 0};
  struct rep_block *block;

  chain.blocks =
      calloc((size_t)response->blocks_left + 1, sizeof(*chain.blocks));
  if (chain.blocks == NULL) {
    core->counters.dropped++;
    return false;
  }
  while ((block = rep_sync_response_next(response, &core->crypto)) != NULL) {
    if (chain.count == 0 && block->height <= core->tree.root.height) {
      rep_block_unref(block);
      continue;
    }
    if (!follows(core, &chain, block)) {
      rep_block_unref(block);
      chain_fini(&chain);
      return false;
    }
    chain.blocks[chain.count] = block;
    chain.count++;
  }
  if (response->encoded.failed || chain.count == 0) {
    chain_fini(&chain);
    return false;
  }
  *out = chain;
  return true;
}

/* Whether a quorum vouches for the last block, and so for all.  The lock may
 * have risen since the question, but what was wanted stays certified. */
static bool chain_is_certified(struct rep_core *core,
                               const struct rep_sync_response *response,
                               const struct chain *chain) {
  const struct rep_hash *const last = &chain->blocks[chain->count - 1]->hash;

  if (rep_hash_eq(&core->lock->block, last) ||
      rep_hash_eq(&core->sync.want, last)) {
    return true;
  }
  return response->cert != NULL && rep_hash_eq(&response->cert->block, last) &&
         rep_verify_cert(&core->verifier, response->cert);
}

static void adopt(struct rep_core *core, const struct chain *chain,
                  struct rep_cert *cert, hs2n_time now) {
  for (uint32_t i = 0; i < chain->count; i++) {
    struct rep_block *const block = chain->blocks[i];

    if (!rep_tree_knows(&core->tree, &block->hash) &&
        rep_tree_add(&core->tree, block) == NULL) {
      core->counters.dropped++;
      return;
    }
    core->counters.sync_blocks++;
    rep_commit_by(core, block->justify, now);
    if (!rep_tree_knows(&core->tree, &block->hash)) {
      break; /* not on the committed chain: impossible but for f+1 liars */
    }
    core->sync.tries = 0;
    core->sync.next_height = block->height + 1;
  }
  if (cert != NULL) {
    rep_take_cert(core, cert, now);
    rep_commit_by(core, cert, now);
  }
  core->unsettled = true;
}

static enum rep_verdict take_answer(struct rep_core *core,
                                    struct rep_sync_response *response,
                                    hs2n_time now) {
  struct chain chain;

  if (!read_chain(core, response, &chain)) {
    return response->encoded.failed ? REP_WRONG : REP_STALE;
  }
  if (!chain_is_certified(core, response, &chain)) {
    chain_fini(&chain);
    return REP_STALE;
  }
  fail(core, now); /* unless a block of it helps */
  adopt(core, &chain, response->cert, now);
  chain_fini(&chain);
  return REP_TAKEN;
}

enum rep_verdict rep_core_answered(struct rep_core *core,
                                   struct rep_bytes *body, hs2n_time now) {
  struct rep_sync_response response;
  enum rep_verdict verdict = REP_TAKEN; /* of no use, but nobody else's is */

  assert(core->started);
  if (!rep_sync_response_decode(body, &response)) {
    core->counters.wrong++;
    return REP_WRONG;
  }
  if (core->sync.open) {
    verdict = take_answer(core, &response, now);
    core->counters.wrong += verdict == REP_WRONG ? 1 : 0;
    rep_retry_held(core, now);
    rep_sync_step(core, now);
    rep_try_propose(core, now);
  }
  rep_cert_unref(response.cert);
  return verdict;
}

/* ---- answering ---------------------------------------------------------- */

/* The chain that an answer is cut from: the committed blocks, then the path
 * up to end (NULL: none). */
static struct rep_node *answer_end(const struct rep_core *core,
                                   const struct rep_hash *want) {
  struct rep_node *const node = rep_tree_find(&core->tree, want);

  return node != NULL ? node : rep_tree_find(&core->tree, &core->lock->block);
}

static struct rep_node *node_at(struct rep_node *end, uint64_t height) {
  assert(end != NULL); /* without one the chain ends at the root */
  while (end->block->height > height) {
    end = end->parent;
  }
  return end;
}

/* The encoding of a block of the chain; *out_loaded, if set, is a reference
 * to give back. */
static bool encoding_at(struct rep_core *core, struct rep_node *end,
                        uint64_t height, struct hs2n_span *out,
                        struct rep_bytes **out_loaded) {
  *out_loaded = NULL;
  if (height > core->tree.root.height) {
    *out = node_at(end, height)->block->encoding;
    return true;
  }
  *out_loaded = core->env.load(core->env.self, height);
  if (*out_loaded == NULL) {
    return false;
  }
  *out = rep_bytes_span(*out_loaded);
  return true;
}

/* The certificate that a block of the chain carries, of the block below. */
static struct rep_cert *justify_at(struct rep_core *core, struct rep_node *end,
                                   uint64_t height) {
  struct rep_bytes *loaded;
  struct rep_block *block;
  struct rep_cert *cert = NULL;

  if (height > core->tree.root.height) {
    return rep_cert_ref(node_at(end, height)->block->justify);
  }
  loaded = core->env.load(core->env.self, height);
  if (loaded == NULL) {
    return NULL;
  }
  block = rep_block_decode(rep_bytes_span(loaded), loaded, &core->crypto);
  if (block != NULL) {
    cert = rep_cert_ref(block->justify);
  }
  rep_block_unref(block);
  rep_bytes_unref(loaded);
  return cert;
}

struct answer {
  struct hs2n_span *encodings;
  struct rep_bytes **loaded;
  uint32_t count;
  size_t bytes;
};

static void answer_fini(struct answer *a) {
  for (uint32_t i = 0; i < a->count; i++) {
    rep_bytes_unref(a->loaded[i]);
  }
  free(a->encodings);
  free(a->loaded);
}

static bool answer_collect(struct rep_core *core, struct rep_node *end,
                           uint64_t from, uint64_t to, struct answer *a) {
  a->encodings = calloc(REP_SYNC_BLOCKS_MAX, sizeof(*a->encodings));
  a->loaded = calloc(REP_SYNC_BLOCKS_MAX, sizeof(struct rep_bytes *));
  if (a->encodings == NULL || a->loaded == NULL) {
    return false;
  }
  for (uint64_t h = from; h <= to && a->count < REP_SYNC_BLOCKS_MAX; h++) {
    if (!encoding_at(core, end, h, &a->encodings[a->count],
                     &a->loaded[a->count])) {
      break;
    }
    if (a->count > 0 &&
        a->bytes + a->encodings[a->count].len > core->config.sync_bytes_max) {
      rep_bytes_unref(a->loaded[a->count]);
      break;
    }
    a->bytes += a->encodings[a->count].len;
    a->count++;
  }
  return true;
}

/* A certificate of the last block.  Where none is at hand and the asker has
 * none either, the answer gets one block shorter. */
static struct rep_cert *answer_cert(struct rep_core *core, struct rep_node *end,
                                    uint64_t from, uint64_t to,
                                    struct answer *a) {
  const uint64_t last = from + a->count - 1;

  if (a->count == 0) {
    return NULL;
  }
  if (last < to) {
    return justify_at(core, end, last + 1);
  }
  if (end != NULL && rep_hash_eq(&core->lock->block, &end->block->hash)) {
    return rep_cert_ref(core->lock);
  }
  a->count--;
  rep_bytes_unref(a->loaded[a->count]);
  return justify_at(core, end, last);
}

enum rep_verdict rep_core_serve(struct rep_core *core, struct rep_bytes *body,
                                struct rep_bytes **out_answer) {
  struct rep_sync_request request;
  struct answer a = {.count = 0};
  struct rep_cert *cert = NULL;
  struct rep_node *end;
  uint64_t to;

  assert(core->started);
  *out_answer = NULL;
  if (!rep_sync_request_decode(rep_bytes_span(body), &request)) {
    core->counters.wrong++;
    return REP_WRONG;
  }
  end = answer_end(core, &request.want);
  to = end != NULL ? end->block->height : core->tree.root.height;
  if (!answer_collect(core, end, request.from_height, to, &a)) {
    core->counters.dropped++;
    answer_fini(&a);
    return REP_STALE;
  }
  if (end == NULL || !rep_hash_eq(&end->block->hash, &request.want) ||
      request.from_height + a.count - 1 < to) {
    cert = answer_cert(core, end, request.from_height, to, &a);
  }
  if (a.count > 0) {
    *out_answer = rep_sync_response_encode(cert, a.encodings, a.count);
    core->counters.dropped += *out_answer == NULL ? 1 : 0;
  }
  rep_cert_unref(cert);
  answer_fini(&a);
  return *out_answer != NULL ? REP_TAKEN : REP_STALE;
}
