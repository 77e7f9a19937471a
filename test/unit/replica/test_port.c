/* A replica's end of its client's socket: transactions in pieces of any
 * size, and lengths that lie. */
#include "port.h"
#include "samples.h"

#include <sys/socket.h>
#include <tap.h>
#include <unistd.h>

static uint32_t me;
static struct rep_core *core;
static struct rep_port port;
static int client;

static void begin(void) {
  static const struct rep_env env = {.self = NULL};
  const struct rep_crypto crypto = fake_crypto(&me);
  struct rep_config config;
  int pair[2];

  rep_config_default(&config);
  config.committee = sample_committee(4);
  config.mempool = (struct rep_mempool_limits){
      .txs_max = 8, .bytes_max = 4u << 20, .window_txs = 8};
  core = rep_core_new(&config, &env, &crypto);
  if (core == NULL ||
      socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ||
      !rep_port_init(&port, pair[1])) {
    abort();
  }
  client = pair[0];
}

static void end(void) {
  close(client);
  rep_port_fini(&port);
  rep_core_free(core);
}

static uint32_t held(void) {
  struct rep_core_info info;

  rep_core_info(core, &info);
  return info.held_txs;
}

/* Sends bytes in pieces, and has the port read after each. */
static void feed(const uint8_t *bytes, size_t len, size_t piece) {
  for (size_t at = 0; at < len; at += piece) {
    const size_t n = len - at < piece ? len - at : piece;

    CHECK_EQ(send(client, bytes + at, n, MSG_NOSIGNAL), n);
    rep_port_read(&port, core, 0);
  }
}

static void takes_bytes_one_by_one(void) {
  const uint8_t bytes[] = {0, 0, 0, 2, 'a', 'b', 0, 0, 0, 1, 'c'};

  begin();
  feed(bytes, sizeof(bytes), 1);
  CHECK(!port.ended);
  CHECK_EQ(held(), 2);
  end();
}

/* Longer than the buffer is at first: it has to grow with what is in it. */
static void takes_a_long_transaction(void) {
  static uint8_t bytes[3 * (4 + 300000)];

  begin();
  for (size_t i = 0; i < 3; i++) {
    uint8_t *const tx = bytes + i * (4 + 300000);

    rep_put_be(tx, 300000, 4);
    memset(tx + 4, (int)('a' + i), 300000);
  }
  feed(bytes, sizeof(bytes), 50000);
  CHECK(!port.ended);
  CHECK_EQ(held(), 3);
  end();
}

static void ends_at_a_length_that_lies(void) {
  const uint8_t none[] = {0, 0, 0, 0, 'a'};
  const uint8_t much[] = {0xff, 0xff, 0xff, 0xff, 'a'};

  begin();
  feed(none, sizeof(none), sizeof(none));
  CHECK(port.ended);
  end();
  begin();
  feed(much, sizeof(much), sizeof(much));
  CHECK(port.ended);
  end();
}

static void stops_reading_while_full(void) {
  uint8_t bytes[8 * 5];

  begin();
  CHECK(rep_port_wants_read(&port, core));
  for (uint8_t i = 0; i < 8; i++) {
    rep_put_be(bytes + 5 * (size_t)i, 1, 4);
    bytes[5 * (size_t)i + 4] = i;
  }
  feed(bytes, sizeof(bytes), sizeof(bytes));
  CHECK_EQ(held(), 8);
  CHECK(!rep_port_wants_read(&port, core));
  end();
}

static void gives_frames_and_sees_the_end(void) {
  uint8_t got[16];
  uint8_t *at;

  begin();
  CHECK(!rep_port_wants_write(&port));
  at = rep_port_frame(&port, REP_CLIENT_READY, 3);
  REQUIRE(at != NULL);
  memcpy(at, "abc", 3);
  CHECK(rep_port_wants_write(&port));
  rep_port_write(&port);
  CHECK(!rep_port_wants_write(&port));
  CHECK_EQ(recv(client, got, sizeof(got), 0), 8);
  CHECK_MEM(got, "\0\0\0\4\1abc", 8);
  CHECK_EQ(shutdown(client, SHUT_WR), 0);
  rep_port_read(&port, core, 0);
  CHECK(port.ended);
  CHECK(rep_port_frame(&port, REP_CLIENT_READY, 3) == NULL);
  end();
}

int main(void) {
  RUN(takes_bytes_one_by_one);
  RUN(takes_a_long_transaction);
  RUN(ends_at_a_length_that_lies);
  RUN(stops_reading_while_full);
  RUN(gives_frames_and_sees_the_end);
  return tap_done();
}
