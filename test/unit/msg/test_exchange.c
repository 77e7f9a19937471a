/* Messages from one application to another, and back the verdict. */
#include "raw.h"
#include "world.h"

static void a_message_arrives_and_is_acked(void) {
  struct world w;
  struct hs2n_tag tag;
  struct hs2ni_event event;

  world_init(&w, &(struct world_options){.net = {.seed = 1}});
  world_join(&w, 0, 1);
  CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_VOTE, 100, 7, &tag), HS2N_OK);
  world_settle(&w);
  CHECK(!hs2ni_msgs_next(w.places[0].msgs, &event));
  CHECK(hs2ni_msgs_next(w.places[1].msgs, &event));
  CHECK_EQ(event.kind, HS2NI_EVENT_MESSAGE);
  CHECK_EQ(event.id.seq, 1);
  CHECK_EQ(event.id.incarnation, 1000);
  CHECK_EQ(hs2n_buf_span(event.msg.body).len, 100);
  CHECK_EQ(hs2n_buf_span(event.msg.body).data[99], 7);
  CHECK_EQ(hs2ni_msgs_verdict(w.places[1].msgs, w.places[1].ends[0].chan,
                              event.id, HS2N_ACCEPT),
           HS2N_OK);
  world_settle(&w);
  CHECK(hs2ni_msgs_next(w.places[0].msgs, &event));
  CHECK_EQ(event.kind, HS2NI_EVENT_DONE);
  CHECK_EQ(event.tag.v, tag.v);
  CHECK_EQ(event.done.outcome, HS2N_DONE_ACKED);
  CHECK_EQ(event.done.acked_count, 1);
  CHECK_EQ(event.done.acked[0].v, 1);
  CHECK(!hs2ni_msgs_next(w.places[0].msgs, &event));
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  CHECK(hs2ni_chan_idle(w.places[1].ends[0].chan));
  CHECK_EQ(w.breaches, 0);
  world_fini(&w);
}

static void bodies_of_all_sizes_arrive(void) {
  static const size_t sizes[] = {0, 1, 1000, 65535, 65536, 65537, 1u << 20};

  for (uint64_t seed = 0; seed < 20; seed++) {
    struct world w;

    world_init(&w, &(struct world_options){.net = {.seed = seed}});
    world_join(&w, 0, 1);
    for (size_t i = 0; i < 7; i++) {
      CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_BULK, sizes[i], 1, NULL),
               HS2N_OK);
    }
    CHECK_EQ(world_run(&w, 1), 7);
    CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
    CHECK_EQ(w.breaches, 0);
    world_fini(&w);
  }
}

/* How many bodies of 1 MiB are under way when nothing of them is acked. */
static size_t under_way(uint64_t peer_bodies_bytes) {
  struct raw r;
  struct hs2n_msg msg = {.type = HS2N_LANE_BULK};
  uint8_t *data;
  size_t count;

  raw_init(&r, NULL);
  r.caps_off = HS2NI_CAP_BODIES;
  r.peer_bodies_bytes = peer_bodies_bytes;
  raw_attach(&r, 5);
  CHECK_EQ(hs2n_buf_alloc(&msg.body, &r.mem.mem, 1u << 20, &data), HS2N_OK);
  memset(data, 1, 1u << 20);
  for (int i = 0; i < 7; i++) {
    const struct hs2ni_target target = {.chan = r.chan, .weight = 1};

    CHECK_EQ(hs2ni_msgs_send(r.msgs, &target, 1, &msg, NULL), HS2N_OK);
  }
  hs2n_buf_unref(msg.body);
  (void)raw_drain(&r);
  count = r.chan->tx[HS2N_LANE_BULK].bodies.count;
  raw_fini(&r);
  return count;
}

static void bodies_are_under_way_as_far_as_an_older_peer_takes_them(void) {
  CHECK_EQ(under_way(0), 2);
  CHECK_EQ(under_way(1), 2);
  CHECK_EQ(under_way(5u << 20), 5);
  CHECK_EQ(under_way(UINT64_MAX), 7);
}

int main(void) {
  RUN(a_message_arrives_and_is_acked);
  RUN(bodies_of_all_sizes_arrive);
  RUN(bodies_are_under_way_as_far_as_an_older_peer_takes_them);
  return tap_done();
}
