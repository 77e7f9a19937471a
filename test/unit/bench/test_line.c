/* One direction of an emulated link, packet by packet, on virtual time. */
#include "line.h"

#include <stdlib.h>
#include <tap.h>

#define MS UINT64_C(1000000)
#define LEN 100

static struct line line;

static void put(uint64_t now, uint8_t mark, size_t len) {
  uint8_t packet[2000] = {0x45};

  packet[9] = 17;
  packet[26] = packet[27] = 0xaa;
  memset(packet + 28, mark, sizeof(packet) - 28);
  line_put(&line, packet, len, now);
}

/* The mark of the packet that comes out at now, or -1. */
static int take(uint64_t now) {
  struct line_packet p;
  int mark;

  if (!line_take(&line, now, &p)) {
    return -1;
  }
  mark = p.bytes[p.len - 1];
  free(p.bytes);
  return mark;
}

/* Of n packets, those that come out ever. */
static unsigned survivors(unsigned n) {
  unsigned count = 0;

  for (unsigned i = 0; i < n; i++) {
    put(0, 0, LEN);
  }
  while (take(UINT64_MAX - 1) >= 0) {
    count++;
  }
  return count;
}

static void a_clean_line_delivers_at_once_and_in_order(void) {
  line_init(&line, 1);
  CHECK(line_due(&line) == UINT64_MAX);
  for (uint8_t i = 0; i < 200; i++) {
    put(5, i, LEN);
  }
  CHECK_EQ(line_due(&line), 5);
  for (int i = 0; i < 200; i++) {
    CHECK_EQ(take(5), i);
  }
  CHECK_EQ(take(5), -1);
  CHECK_EQ(line.counters.sent, 200);
  line_fini(&line);
}

static void delay_is_exact_and_jitter_keeps_the_order(void) {
  line_init(&line, 2);
  line.settings.delay = 80 * MS;
  put(0, 1, LEN);
  CHECK_EQ(take(80 * MS - 1), -1);
  CHECK_EQ(take(80 * MS), 1);
  line.settings.jitter = 50 * MS;
  for (uint8_t i = 0; i < 100; i++) {
    put(100 * MS + i, i, LEN);
  }
  for (int i = 0; i < 100; i++) {
    const uint64_t due = line_due(&line);

    CHECK(due >= 180 * MS && due <= 230 * MS + 100);
    CHECK_EQ(take(due), i);
  }
  line_fini(&line);
}

static void the_rate_spaces_packets_and_the_queue_has_an_end(void) {
  line_init(&line, 3);
  line.settings.rate = 8000000; /* a byte a microsecond */
  line.settings.queue_bytes = 10 * LEN;
  for (uint8_t i = 0; i < 30; i++) {
    put(1000, i, LEN);
  }
  CHECK_EQ(line.counters.overflow, 20);
  for (int i = 0; i < 10; i++) {
    CHECK_EQ(line_due(&line), 1000 + (uint64_t)(i + 1) * LEN * 1000);
    CHECK_EQ(take(line_due(&line)), i);
  }
  put(1000 + 10 * LEN * 1000, 99, LEN);
  CHECK_EQ(take(UINT64_MAX - 1), 99);
  line_fini(&line);
}

static void losses_come_as_often_as_they_should(void) {
  line_init(&line, 4);
  line.settings.loss = LINE_CERTAIN / 10;
  CHECK(survivors(10000) > 8800 && line.counters.sent < 9200);
  CHECK_EQ(line.counters.sent + line.counters.lost, 10000);
  line_fini(&line);
}

/* A burst lasts 1 / burst_end packets, and a run of losses with it. */
static void bursts_lose_packets_in_a_row(void) {
  unsigned runs = 0;
  bool in_run = false;

  line_init(&line, 5);
  line.settings.burst_begin = LINE_CERTAIN / 100;
  line.settings.burst_end = LINE_CERTAIN / 10;
  for (unsigned i = 0; i < 20000; i++) {
    const uint64_t lost = line.counters.lost;

    put(0, 0, LEN);
    runs += !in_run && line.counters.lost != lost;
    in_run = line.counters.lost != lost;
    (void)take(0);
  }
  CHECK(runs > 100 && line.counters.lost > 7 * runs &&
        line.counters.lost < 13 * runs);
  line_fini(&line);
}

static void a_burst_ends_when_bursts_are_turned_off(void) {
  line_init(&line, 10);
  line.settings.burst_begin = LINE_CERTAIN;
  CHECK_EQ(survivors(100), 0);
  line.settings.burst_begin = 0;
  CHECK_EQ(survivors(100), 100);
  line_fini(&line);
}

static void a_cut_and_the_mtu_drop_all_that_meets_them(void) {
  line_init(&line, 6);
  line.settings.mtu = LEN;
  put(0, 1, LEN);
  put(0, 2, LEN + 1);
  line.settings.cut = true;
  put(0, 3, LEN);
  line.settings.cut = false;
  put(0, 4, LEN);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(take(0), 4);
  CHECK_EQ(take(0), -1);
  CHECK_EQ(line.counters.too_big, 1);
  CHECK_EQ(line.counters.cut, 1);
  line_fini(&line);
}

static void duplicates_and_those_that_overtake_are_counted(void) {
  line_init(&line, 7);
  line.settings.duplicate = LINE_CERTAIN;
  CHECK_EQ(survivors(10), 20);
  line.settings.duplicate = 0;
  line.settings.delay = 10 * MS;
  put(0, 1, LEN);
  line.settings.reorder = LINE_CERTAIN;
  put(0, 2, LEN);
  CHECK_EQ(take(0), 2);
  CHECK_EQ(take(10 * MS), 1);
  CHECK_EQ(line.counters.reordered, 1);
  line_fini(&line);
}

/* Behind the headers, and so that the receiver's kernel lets it through. */
static void a_bent_packet_differs_in_one_bit_and_has_no_checksum(void) {
  struct line_packet p;
  unsigned bits = 0;

  line_init(&line, 8);
  line.settings.corrupt = LINE_CERTAIN;
  put(0, 0, LEN);
  REQUIRE(line_take(&line, 0, &p));
  CHECK_EQ(p.bytes[0], 0x45);
  CHECK_EQ(p.bytes[26] | p.bytes[27], 0);
  for (size_t i = 28; i < LEN; i++) {
    for (unsigned b = 0; b < 8; b++) {
      bits += (p.bytes[i] >> b) & 1;
    }
  }
  CHECK_EQ(bits, 1);
  free(p.bytes);
  line_fini(&line);
}

static void what_is_on_its_way_has_an_end(void) {
  line_init(&line, 9);
  line.settings.delay = MS;
  CHECK_EQ(survivors(LINE_PACKETS_MAX + 10), LINE_PACKETS_MAX);
  CHECK_EQ(line.counters.overflow, 10);
  line_fini(&line);
}

/* Which of 64 come out, as bits. */
static uint64_t fate(uint64_t seed) {
  uint64_t bits = 0;
  int mark;

  line_init(&line, seed);
  line.settings.loss = LINE_CERTAIN / 2;
  for (uint8_t i = 0; i < 64; i++) {
    put(0, i, LEN);
  }
  while ((mark = take(0)) >= 0) {
    bits |= UINT64_C(1) << mark;
  }
  line_fini(&line);
  return bits;
}

static void a_seed_decides(void) {
  CHECK(fate(1) == fate(1));
  CHECK(fate(1) != fate(2));
}

int main(void) {
  RUN(a_clean_line_delivers_at_once_and_in_order);
  RUN(delay_is_exact_and_jitter_keeps_the_order);
  RUN(the_rate_spaces_packets_and_the_queue_has_an_end);
  RUN(losses_come_as_often_as_they_should);
  RUN(bursts_lose_packets_in_a_row);
  RUN(a_burst_ends_when_bursts_are_turned_off);
  RUN(a_cut_and_the_mtu_drop_all_that_meets_them);
  RUN(duplicates_and_those_that_overtake_are_counted);
  RUN(a_bent_packet_differs_in_one_bit_and_has_no_checksum);
  RUN(what_is_on_its_way_has_an_end);
  RUN(a_seed_decides);
  return tap_done();
}
