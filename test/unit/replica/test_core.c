/* One core by itself: what it sends, when, and what must be stored first. */
#include "core.h"
#include "samples.h"

#include <tap.h>

#define SENT_MAX 64

struct sent {
  enum rep_kind kind;
  uint32_t to; /* UINT32_MAX: all */
  struct rep_bytes *body;
};

static uint32_t me;
static struct sent sent[SENT_MAX];
static uint32_t sent_count;
static uint64_t seq;       /* last state appended */
static uint64_t appended;  /* blocks */
static uint64_t committed; /* blocks */
static uint32_t asked;     /* replicas that the last question may go to */
static bool can_ask;
static struct rep_core *core;
static struct rep_committee committee;

static void env_send(void *self, uint32_t to, enum rep_kind kind, uint64_t view,
                     struct rep_bytes *body) {
  (void)self;
  (void)view;
  if (sent_count < SENT_MAX) {
    sent[sent_count] = (struct sent){kind, to, rep_bytes_ref(body)};
    sent_count++;
  }
}

static void env_broadcast(void *self, enum rep_kind kind, uint64_t view,
                          struct rep_bytes *body) {
  env_send(self, UINT32_MAX, kind, view, body);
}

/* Questions count as sent to the one that is to be asked first. */
static bool env_ask(void *self, const uint32_t *whom, uint32_t count,
                    struct rep_bytes *body, hs2n_time deadline) {
  CHECK(count > 0 && deadline > HS2N_S(1));
  asked = count;
  env_send(self, whom[0], REP_SYNC_REQUEST, REP_ALL_VIEWS, body);
  return can_ask;
}

static void env_enter_view(void *self, uint64_t view,
                           const uint32_t leaders[REP_LEADERS]) {
  (void)self;
  (void)view;
  (void)leaders;
}

static uint64_t env_append_block(void *self, const struct rep_block *block) {
  (void)self;
  (void)block;
  return appended++;
}

static void env_append_state(void *self, uint64_t number,
                             const struct rep_state *state) {
  (void)self;
  (void)state;
  seq = number;
}

static void env_commit(void *self, struct rep_block *block, uint64_t log_pos,
                       const bool *fresh) {
  (void)self;
  (void)block;
  (void)log_pos;
  (void)fresh;
  committed++;
}

static struct rep_bytes *env_load(void *self, uint64_t height) {
  (void)self;
  (void)height;
  return NULL;
}

static void forget_sent(void) {
  for (uint32_t i = 0; i < sent_count; i++) {
    rep_bytes_unref(sent[i].body);
  }
  sent_count = 0;
}

static void begin(uint32_t index) {
  const struct rep_env env = {.send = env_send,
                              .broadcast = env_broadcast,
                              .ask = env_ask,
                              .enter_view = env_enter_view,
                              .append_block = env_append_block,
                              .append_state = env_append_state,
                              .commit = env_commit,
                              .load = env_load};
  struct rep_crypto crypto;
  struct rep_config config;

  me = index;
  crypto = fake_crypto(&me);
  committee = sample_committee(4);
  committee.me = index;
  rep_config_default(&config);
  config.committee = committee;
  config.mempool = (struct rep_mempool_limits){
      .txs_max = 64, .bytes_max = 65536, .window_txs = 64};
  seq = appended = committed = 0;
  asked = 0;
  can_ask = true;
  core = rep_core_new(&config, &env, &crypto);
  if (core == NULL) {
    abort();
  }
  rep_core_start(core, HS2N_S(1));
}

static void end(void) {
  rep_core_free(core);
  forget_sent();
}

static uint32_t count_sent(enum rep_kind kind) {
  uint32_t count = 0;

  for (uint32_t i = 0; i < sent_count; i++) {
    count += sent[i].kind == kind ? 1 : 0;
  }
  return count;
}

/* The proposal of a view with a certificate of the one before. */
static struct rep_bytes *proposal_of(uint64_t view, struct rep_cert *justify,
                                     struct rep_hash *out_hash) {
  const struct rep_block_head head = {.view = view,
                                      .height = view,
                                      .proposer = (uint32_t)(view % 4),
                                      .justify = justify};
  const size_t len = rep_block_overhead(justify);
  struct rep_bytes *const bytes = rep_bytes_new(REP_PROPOSAL_HEAD + len);
  struct rep_writer w = rep_writer_of(bytes->data, bytes->len);
  struct rep_signed text;

  (void)rep_write_room(&w, HS2N_SIGNATURE_LEN);
  rep_write_be(&w, len, 4);
  rep_block_write_head(&w, &head);
  fake_hash(NULL, (struct hs2n_span){bytes->data + REP_PROPOSAL_HEAD, len},
            out_hash);
  rep_proposal_text(&committee, view, out_hash, &text);
  fake_sign_as(head.proposer, rep_signed_span(&text), bytes->data);
  return bytes;
}

static enum rep_verdict receive(uint32_t from, enum rep_kind kind,
                                struct rep_bytes *body) {
  const enum rep_verdict verdict =
      rep_core_receive(core, from, kind, body, HS2N_S(1) + HS2N_MS(1));

  rep_bytes_unref(body);
  return verdict;
}

/* View 1 of its leader, replica 1. */
static void receive_first(struct rep_hash *out_hash) {
  uint32_t other = 0;
  const struct rep_crypto crypto = fake_crypto(&other);
  struct rep_hash genesis;
  struct rep_cert *justify;

  rep_genesis_hash(&committee, &crypto, &genesis);
  justify = sample_cert(0, &genesis, 0);
  CHECK_EQ(receive(1, REP_PROPOSAL, proposal_of(1, justify, out_hash)),
           REP_TAKEN);
  rep_cert_unref(justify);
}

static struct rep_bytes *vote_of(uint32_t voter, uint64_t view,
                                 const struct rep_hash *block) {
  struct rep_vote vote = {.view = view, .block = *block, .voter = voter};
  struct rep_bytes *const bytes = rep_bytes_new(REP_VOTE_LEN);
  struct rep_writer w = rep_writer_of(bytes->data, bytes->len);
  struct rep_signed text;

  rep_vote_text(&committee, view, block, &text);
  fake_sign_as(voter, rep_signed_span(&text), vote.signature);
  rep_vote_write(&w, &vote);
  return bytes;
}

static void a_vote_waits_for_the_disk(void) {
  struct rep_hash block;

  begin(0);
  receive_first(&block);
  CHECK_EQ(count_sent(REP_VOTE), 0);
  CHECK_EQ(appended, 1);
  rep_core_stored(core, seq - 1, HS2N_S(1));
  CHECK_EQ(count_sent(REP_VOTE), 0);
  rep_core_stored(core, seq, HS2N_S(1));
  REQUIRE(count_sent(REP_VOTE) == 1);
  CHECK_EQ(sent[0].to, 2); /* the leader of the next view alone */
  rep_core_stored(core, seq, HS2N_S(1));
  CHECK_EQ(count_sent(REP_VOTE), 1);
  end();
}

static void a_timeout_waits_for_the_disk(void) {
  begin(0);
  rep_core_tick(core, HS2N_S(1));
  rep_core_tick(core, rep_core_deadline(core));
  CHECK_EQ(count_sent(REP_TIMEOUT), 0);
  rep_core_stored(core, seq, HS2N_S(2));
  CHECK_EQ(count_sent(REP_TIMEOUT), 1);
  end();
}

/* covers: H68 */
static void the_proposal_leaves_with_the_quorum(void) {
  struct rep_hash block;

  begin(2); /* leads view 2 */
  receive_first(&block);
  rep_core_stored(core, seq, HS2N_S(1)); /* its own vote is the first */
  CHECK_EQ(receive(0, REP_VOTE, vote_of(0, 1, &block)), REP_TAKEN);
  CHECK_EQ(count_sent(REP_PROPOSAL), 0);
  (void)receive(3, REP_VOTE, vote_of(3, 1, &block));
  /* Empty as it is, it may wait for transactions; with one it may not. */
  CHECK_EQ(count_sent(REP_PROPOSAL), 0);
  end();

  begin(2);
  CHECK_EQ(
      rep_core_submit(core, (struct hs2n_span){block.bytes, 32}, HS2N_S(1)),
      REP_TX_ADDED);
  receive_first(&block);
  rep_core_stored(core, seq, HS2N_S(1));
  CHECK_EQ(receive(0, REP_VOTE, vote_of(0, 1, &block)), REP_TAKEN);
  CHECK_EQ(receive(3, REP_VOTE, vote_of(3, 1, &block)), REP_TAKEN);
  CHECK_EQ(count_sent(REP_PROPOSAL), 1); /* in the same call */
  end();
}

static void votes_before_the_block_count(void) {
  struct rep_hash block;
  uint8_t tx[1] = {7};

  begin(2);
  CHECK_EQ(rep_core_submit(core, (struct hs2n_span){tx, 1}, HS2N_S(1)),
           REP_TX_ADDED);
  receive_first(&block); /* for its hash */
  end();
  begin(2);
  CHECK_EQ(rep_core_submit(core, (struct hs2n_span){tx, 1}, HS2N_S(1)),
           REP_TX_ADDED);
  CHECK_EQ(receive(0, REP_VOTE, vote_of(0, 1, &block)), REP_TAKEN);
  CHECK_EQ(receive(1, REP_VOTE, vote_of(1, 1, &block)), REP_TAKEN);
  CHECK_EQ(receive(3, REP_VOTE, vote_of(3, 1, &block)), REP_TAKEN);
  CHECK_EQ(count_sent(REP_PROPOSAL), 0); /* nothing to extend yet */
  receive_first(&block);
  CHECK_EQ(count_sent(REP_PROPOSAL), 1);
  end();
}

static void what_is_wrong_is_called_wrong(void) {
  struct rep_hash block;
  struct rep_bytes *body;

  begin(2);
  receive_first(&block);
  CHECK_EQ(receive(3, REP_VOTE, vote_of(0, 1, &block)), REP_WRONG);
  body = vote_of(3, 1, &block);
  body->data[body->len - 64] ^= 1;
  CHECK_EQ(receive(3, REP_VOTE, body), REP_WRONG);
  /* to a replica that does not lead the next view */
  CHECK_EQ(receive(3, REP_VOTE, vote_of(3, 2, &block)), REP_WRONG);
  CHECK_EQ(receive(3, REP_PROPOSAL, rep_bytes_new(0)), REP_WRONG);
  end();
}

/* A second block of a view is not voted on, whatever it says. */
static void the_first_proposal_counts(void) {
  struct rep_cert *other;
  struct rep_hash block;
  struct rep_hash second;

  begin(0);
  receive_first(&block);
  other = sample_cert(0, &block, 0); /* not even genesis */
  CHECK_EQ(receive(1, REP_PROPOSAL, proposal_of(1, other, &second)), REP_STALE);
  rep_cert_unref(other);
  rep_core_stored(core, seq, HS2N_S(1));
  CHECK_EQ(count_sent(REP_VOTE), 1);
  end();
}

static void two_consecutive_certificates_commit(void) {
  struct rep_hash hashes[5];

  begin(0);
  receive_first(&hashes[1]);
  for (uint64_t view = 2; view <= 4; view++) {
    struct rep_cert *const justify =
        sample_cert(view - 1, &hashes[view - 1], 3);

    if (view % 4 != me) {
      CHECK_EQ(receive((uint32_t)(view % 4), REP_PROPOSAL,
                       proposal_of(view, justify, &hashes[view])),
               REP_TAKEN);
    }
    rep_core_stored(core, seq, HS2N_S(1));
    rep_core_tick(core, HS2N_S(1) + HS2N_MS(1));
    CHECK_EQ(committed, view < 3 ? 0 : 1);
    rep_cert_unref(justify);
  }
  end();
}

/* ---- behind the others --------------------------------------------------- */

/* Proposals 1..3, of which each certifies the one before. */
static void make_three(struct rep_bytes *out[4]) {
  uint32_t other = 0;
  const struct rep_crypto crypto = fake_crypto(&other);
  struct rep_hash hashes[4];

  rep_genesis_hash(&committee, &crypto, &hashes[0]);
  for (uint64_t view = 1; view <= 3; view++) {
    struct rep_cert *const justify =
        sample_cert(view - 1, &hashes[view - 1], view == 1 ? 0 : 3);

    out[view] = proposal_of(view, justify, &hashes[view]);
    rep_cert_unref(justify);
  }
}

/* The leaders of two views are two senders: the second may be faster. */
static void proposals_may_overtake_each_other(void) {
  struct rep_bytes *proposals[4];
  struct rep_core_info info;

  begin(0);
  make_three(proposals);
  CHECK_EQ(receive(3, REP_PROPOSAL, proposals[3]), REP_TAKEN);
  REQUIRE(count_sent(REP_SYNC_REQUEST) == 1);
  CHECK_EQ(sent[0].to, 3); /* who extends a block has it */
  CHECK_EQ(receive(2, REP_PROPOSAL, proposals[2]), REP_TAKEN);
  rep_core_info(core, &info);
  CHECK_EQ(info.tree_blocks, 0);
  CHECK_EQ(receive(1, REP_PROPOSAL, proposals[1]), REP_TAKEN);
  rep_core_info(core, &info);
  CHECK_EQ(info.tree_blocks, 3);
  CHECK_EQ(info.last_voted, 3);
  end();
}

/* A time-out of a view, with the certificate of a block. */
static struct rep_bytes *timeout_of(uint32_t voter, uint64_t view,
                                    struct rep_cert *high) {
  struct rep_timeout timeout = {.view = view, .voter = voter, .high = high};
  struct rep_bytes *const bytes = rep_bytes_new(rep_timeout_len(&timeout));
  struct rep_writer w = rep_writer_of(bytes->data, bytes->len);
  struct rep_signed text;

  rep_timeout_text(&committee, view, high->view, &text);
  fake_sign_as(voter, rep_signed_span(&text), timeout.signature);
  rep_timeout_write(&w, &timeout);
  return bytes;
}

static enum rep_verdict answer(struct rep_bytes *body) {
  const enum rep_verdict verdict =
      rep_core_answered(core, body, HS2N_S(1) + HS2N_MS(1));

  rep_bytes_unref(body);
  return verdict;
}

/* How often it asks in a minute in which each question ends at once. */
static uint32_t asks_in_a_minute(hs2n_time now) {
  const hs2n_time end_of_it = now + HS2N_S(60);
  uint32_t count = 0;

  while (now < end_of_it) {
    const hs2n_time next = rep_core_deadline(core);

    forget_sent();
    now = next > now ? next : now + HS2N_MS(1);
    rep_core_tick(core, now);
    count += count_sent(REP_SYNC_REQUEST);
    rep_core_unanswered(core, now);
  }
  return count;
}

/* First those who must have the block, then everybody; not without a pause,
 * and for ever. */
static void a_question_without_answer_is_asked_anew(void) {
  struct rep_bytes *proposals[4];
  struct rep_core_info info;
  uint32_t count;

  begin(0);
  make_three(proposals);
  CHECK_EQ(receive(1, REP_PROPOSAL, proposals[1]), REP_TAKEN);
  CHECK_EQ(receive(3, REP_PROPOSAL, proposals[3]), REP_TAKEN);
  REQUIRE(count_sent(REP_SYNC_REQUEST) == 1);
  CHECK_EQ(asked, 3); /* the proposer, and two signers besides this one */
  rep_core_info(core, &info);
  CHECK(info.syncing);
  rep_core_unanswered(core, HS2N_S(1) + HS2N_MS(1));
  rep_core_info(core, &info);
  CHECK(!info.syncing);
  count = asks_in_a_minute(HS2N_S(1) + HS2N_MS(1));
  CHECK(count >= 60 && count <= 240);
  CHECK_EQ(asked, 3); /* all the others */

  can_ask = false;
  count = asks_in_a_minute(HS2N_S(70));
  CHECK(count >= 60 && count <= 240);
  rep_bytes_unref(proposals[2]);
  end();
}

static void an_answer_of_no_use_is_told_from_a_wrong_one(void) {
  struct rep_bytes *proposals[4];
  struct rep_core_info info;

  begin(0);
  make_three(proposals);
  CHECK_EQ(receive(3, REP_PROPOSAL, rep_bytes_ref(proposals[3])), REP_TAKEN);
  CHECK_EQ(answer(rep_sync_response_encode(NULL, NULL, 0)), REP_STALE);
  const struct hs2n_span third = {proposals[3]->data + REP_PROPOSAL_HEAD,
                                  proposals[3]->len - REP_PROPOSAL_HEAD};
  CHECK_EQ(answer(rep_sync_response_encode(NULL, &third, 1)), REP_STALE);
  CHECK_EQ(answer(rep_bytes_ref(proposals[3])), REP_WRONG);
  rep_core_info(core, &info);
  CHECK(info.syncing); /* the next one is asked the same */
  CHECK_EQ(info.counters.sync_requests, 1);
  CHECK_EQ(info.counters.wrong, 1);

  /* The blocks have come by themselves: whatever is answered ends it. */
  CHECK_EQ(receive(1, REP_PROPOSAL, proposals[1]), REP_TAKEN);
  CHECK_EQ(receive(2, REP_PROPOSAL, proposals[2]), REP_TAKEN);
  rep_core_tick(core, HS2N_S(1) + HS2N_MS(2));
  rep_core_info(core, &info);
  CHECK(!info.syncing);
  CHECK_EQ(answer(rep_sync_response_encode(NULL, NULL, 0)), REP_TAKEN);
  rep_bytes_unref(proposals[3]);
  end();
}

/* Views may be as short as the way to a peer and back. */
static void an_answer_counts_although_the_lock_has_risen(void) {
  struct rep_bytes *proposals[4];
  struct rep_core_info info;
  struct rep_hash third;
  struct rep_cert *cert;

  begin(0);
  make_three(proposals);
  CHECK_EQ(receive(1, REP_PROPOSAL, proposals[1]), REP_TAKEN);
  CHECK_EQ(receive(3, REP_PROPOSAL, rep_bytes_ref(proposals[3])), REP_TAKEN);
  REQUIRE(count_sent(REP_SYNC_REQUEST) == 1); /* for the second */

  fake_hash(NULL,
            (struct hs2n_span){proposals[3]->data + REP_PROPOSAL_HEAD,
                               proposals[3]->len - REP_PROPOSAL_HEAD},
            &third);
  cert = sample_cert(3, &third, 3);
  CHECK_EQ(receive(2, REP_TIMEOUT, timeout_of(2, 4, cert)), REP_TAKEN);
  rep_core_info(core, &info);
  CHECK_EQ(info.lock_view, 3);

  const struct hs2n_span second = {proposals[2]->data + REP_PROPOSAL_HEAD,
                                   proposals[2]->len - REP_PROPOSAL_HEAD};
  CHECK_EQ(answer(rep_sync_response_encode(NULL, &second, 1)), REP_TAKEN);
  rep_core_info(core, &info);
  CHECK(!info.syncing);
  CHECK_EQ(info.tree_blocks + info.committed.height, 3);
  CHECK_EQ(info.counters.sync_requests, 1);
  rep_cert_unref(cert);
  rep_bytes_unref(proposals[2]);
  rep_bytes_unref(proposals[3]);
  end();
}

/* Its certificate may be in one pair of hands, which others must be able to
 * follow: after any number of views that fail. */
static void a_block_voted_for_can_be_had_until_a_later_one_is_certified(void) {
  struct rep_sync_request request = {.from_height = 1};
  struct rep_bytes *const body = rep_bytes_new(REP_SYNC_REQUEST_LEN);
  struct rep_writer w = rep_writer_of(body->data, body->len);
  struct rep_new_view nv = {.view = 40};
  struct rep_sync_response response;
  struct rep_bytes *blocks;
  uint32_t other = 0;
  const struct rep_crypto crypto = fake_crypto(&other);
  struct rep_hash genesis;

  begin(0);
  receive_first(&request.want);
  rep_core_tick(core, HS2N_S(1) + HS2N_MS(1));
  rep_genesis_hash(&committee, &crypto, &genesis);
  nv.high = sample_cert(0, &genesis, 0);
  nv.tc = sample_tc(39, 3);
  (void)receive(1, REP_NEW_VIEW, rep_new_view_encode(&nv));
  rep_core_tick(core, HS2N_S(1) + HS2N_MS(1));
  forget_sent();
  rep_sync_request_write(&w, &request);
  REQUIRE(rep_core_serve(core, body, &blocks) == REP_TAKEN);
  CHECK_EQ(sent_count, 0);
  CHECK(rep_sync_response_decode(blocks, &response));
  CHECK_EQ(response.blocks_left, 1);
  rep_cert_unref(response.cert);
  rep_bytes_unref(blocks);

  /* What it has not got is for others to give, and nobody's fault. */
  request.from_height = 2;
  w = rep_writer_of(body->data, body->len);
  rep_sync_request_write(&w, &request);
  CHECK_EQ(rep_core_serve(core, body, &blocks), REP_STALE);
  CHECK(blocks == NULL);
  body->data[7] = 0; /* genesis is not sent */
  CHECK_EQ(rep_core_serve(core, body, &blocks), REP_WRONG);
  CHECK(blocks == NULL);
  rep_bytes_unref(body);
  rep_cert_unref(nv.high);
  rep_tc_unref(nv.tc);
  end();
}

int main(void) {
  RUN(a_vote_waits_for_the_disk);
  RUN(a_timeout_waits_for_the_disk);
  RUN(the_proposal_leaves_with_the_quorum);
  RUN(votes_before_the_block_count);
  RUN(what_is_wrong_is_called_wrong);
  RUN(the_first_proposal_counts);
  RUN(two_consecutive_certificates_commit);
  RUN(proposals_may_overtake_each_other);
  RUN(a_question_without_answer_is_asked_anew);
  RUN(an_answer_of_no_use_is_told_from_a_wrong_one);
  RUN(an_answer_counts_although_the_lock_has_risen);
  RUN(a_block_voted_for_can_be_had_until_a_later_one_is_certified);
  return tap_done();
}
