/* world_ask: questions and answers, simply: one replica is asked, the next
 * when an answer is not taken or does not come in time.  A refusal looks like
 * silence. */
#include "world_int.h"

void world_forget_question(struct world_replica *r) {
  rep_bytes_unref(r->question.body);
  r->question = (struct world_question){.number = r->question.number,
                                        .helper = r->question.helper};
}

static void push_end_of_try(struct world_replica *r) {
  struct world *const w = r->world;
  const struct world_question *const q = &r->question;
  hs2n_time when = w->now + w->config.sync_retry;

  if (q->asked == q->count || when > q->deadline) {
    when = q->deadline;
  }
  world_push(w, (struct world_event){.when = when,
                                     .to = r->me,
                                     .life = r->life,
                                     .question = q->number,
                                     .tries = q->tries});
}

static void ask_next(struct world_replica *r) {
  struct world_question *const q = &r->question;

  if (q->asked < q->count) {
    world_put(r->world, &(struct world_event){.from = r->me,
                                              .to = q->whom[q->asked],
                                              .kind = REP_SYNC_REQUEST,
                                              .view = REP_ALL_VIEWS,
                                              .question = q->number,
                                              .body = q->body});
    q->asked++;
  }
  q->tries++;
  push_end_of_try(r);
}

/* Who helped last comes first, if it is among them. */
bool world_ask(struct world_replica *r, const uint32_t *whom, uint32_t count,
               struct rep_bytes *body, hs2n_time deadline) {
  struct world_question *const q = &r->question;

  world_forget_question(r);
  q->number++;
  q->open = true;
  q->body = rep_bytes_ref(body);
  q->deadline = deadline;
  q->count = count;
  for (uint32_t i = 0; i < count; i++) {
    q->whom[i] = whom[i];
    if (whom[i] == q->helper) {
      q->whom[i] = q->whom[0];
      q->whom[0] = q->helper;
    }
  }
  ask_next(r);
  return true;
}

void world_end_of_try(struct world_replica *r,
                      const struct world_event *event) {
  const struct world_question *const q = &r->question;

  if (!q->open || event->question != q->number || event->tries != q->tries) {
    return;
  }
  if (r->world->now < q->deadline) {
    ask_next(r);
    return;
  }
  world_forget_question(r);
  rep_core_unanswered(r->core, r->world->now);
}

/* One bit of what was asked for is another. */
static struct rep_bytes *falsify(struct world *w, struct rep_bytes *answer) {
  const size_t head = 1 + 4; /* an answer without a block ends here */
  struct rep_bytes *const copy = rep_bytes_copy(rep_bytes_span(answer));
  uint64_t at;

  if (copy->len > head) {
    at = head + world_random(w, copy->len - head);
    copy->data[at] = (uint8_t)(copy->data[at] ^ 1u << world_random(w, 8));
    w->false_answers++;
  }
  rep_bytes_unref(answer);
  return copy;
}

enum rep_verdict world_serve(struct world_replica *r,
                             const struct world_event *event) {
  struct rep_bytes *answer;
  const enum rep_verdict verdict =
      rep_core_serve(r->core, event->body, &answer);

  if (verdict != REP_TAKEN) {
    return verdict;
  }
  if ((int32_t)r->me == r->world->liar) {
    answer = falsify(r->world, answer);
  }
  world_put(r->world, &(struct world_event){.from = r->me,
                                            .to = event->from,
                                            .kind = REP_SYNC_RESPONSE,
                                            .view = REP_ALL_VIEWS,
                                            .question = event->question,
                                            .body = answer});
  rep_bytes_unref(answer);
  return verdict;
}

enum rep_verdict world_answer(struct world_replica *r,
                              const struct world_event *event) {
  struct world_question *const q = &r->question;
  enum rep_verdict verdict;

  if (!q->open || event->question != q->number) {
    return REP_STALE;
  }
  verdict = rep_core_answered(r->core, event->body, r->world->now);
  if (verdict == REP_TAKEN) {
    q->helper = event->from;
  }
  if (event->question != q->number) {
    return verdict; /* the core has asked anew */
  }
  if (verdict == REP_TAKEN) {
    world_forget_question(r);
  } else {
    ask_next(r);
  }
  return verdict;
}
