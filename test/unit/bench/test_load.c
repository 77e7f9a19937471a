#include "load.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <tap.h>
#include <unistd.h>

static struct ledger *ledger;
static struct load load;
static int pairs[2][2];

static void begin(uint32_t tx_bytes) {
  ledger = malloc(sizeof(*ledger));
  if (ledger == NULL || !ledger_init(ledger, 4) ||
      !load_init(&load, 4, tx_bytes, 1)) {
    abort();
  }
  for (int i = 0; i < 2; i++) {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]) != 0) {
      abort();
    }
    load_attach(&load, (uint32_t)i);
  }
}

static void end(void) {
  for (int i = 0; i < 2; i++) {
    close(pairs[i][0]);
    close(pairs[i][1]);
  }
  load_fini(&load);
  ledger_fini(ledger);
  free(ledger);
}

/* Transaction i is due at start + i / rate, however late it is made. */
static void latency_counts_from_when_it_was_due(void) {
  begin(16);
  load_start(&load, 1000, HS2N_S(1));
  CHECK(load_make(&load, ledger, HS2N_S(1)));
  CHECK_EQ(ledger->txs_submitted, 1);
  CHECK(load_make(&load, ledger, HS2N_S(1) + HS2N_MS(50)));
  CHECK_EQ(ledger->txs_submitted, 51);
  for (uint64_t i = 0; i < 51; i++) {
    CHECK_EQ(ledger->submitted[i], HS2N_S(1) + HS2N_MS(i));
  }
  CHECK_EQ(load_due(&load, HS2N_S(1) + HS2N_MS(50)), HS2N_S(1) + HS2N_MS(51));
  load_stop(&load);
  CHECK(load_make(&load, ledger, HS2N_S(9)));
  CHECK_EQ(ledger->txs_submitted, 51);
  end();
}

static size_t take(int fd, uint8_t *out, size_t len) {
  const ssize_t n = recv(fd, out, len, MSG_DONTWAIT);

  return n < 0 ? 0 : (size_t)n;
}

/* Both replicas read the same frames, each at its own pace, also around the
 * end of the ring. */
static void all_get_the_same_bytes(void) {
  static uint8_t got[2][1 << 20];
  const size_t frame = 4 + 5000;
  hs2n_time now = HS2N_S(1);
  uint64_t id[2] = {0, 0};
  uint8_t tail[2][8] = {{0}, {0}};

  begin(5000);
  load_start(&load, 0, now);
  load.window = 150;
  while (id[1] < 10000) {
    CHECK(load_make(&load, ledger, now));
    for (int i = 0; i < 2; i++) {
      size_t len = 0;

      while (load_waits(&load, (uint32_t)i)) {
        size_t n;

        load_write(&load, (uint32_t)i, pairs[i][0]);
        n = take(pairs[i][1], got[i] + len, sizeof(got[i]) - len);
        REQUIRE(n > 0);
        len += n;
      }
      CHECK_EQ(len % frame, 0);
      for (size_t at = 0; at + frame <= len; at += frame) {
        struct rep_reader r =
            rep_reader_of((struct hs2n_span){got[i] + at, frame});

        REQUIRE(rep_read_be(&r, 4) == 5000);
        REQUIRE(rep_read_be(&r, 8) == id[i]);
        id[i]++;
        memcpy(tail[i], got[i] + at + frame - 8, 8);
      }
    }
    CHECK_EQ(id[0], id[1]);
    CHECK_MEM(tail[0], tail[1], 8);
    ledger->txs_committed = ledger->txs_submitted;
  }
  CHECK(load.head > 32u << 20);
  end();
}

/* Who does not read stops the load, rather than lose a transaction. */
static void a_full_ring_waits(void) {
  begin(60000);
  load_start(&load, 1000000, 0);
  CHECK(load_make(&load, ledger, HS2N_S(1)));
  CHECK(ledger->txs_submitted < 560);
  CHECK(load.blocked_at != 0);
  load_detach(&load, 0);
  load_detach(&load, 1);
  CHECK(load_make(&load, ledger, HS2N_S(1)));
  CHECK(ledger->txs_submitted > 560);
  end();
}

int main(void) {
  RUN(latency_counts_from_when_it_was_due);
  RUN(all_get_the_same_bytes);
  RUN(a_full_ring_waits);
  return tap_done();
}
