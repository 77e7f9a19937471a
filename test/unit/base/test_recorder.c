/* What a recording says of datagrams. */
#include "tap.h"

#include <hs2net/node.h>
#include <hs2net/record.h>

static struct hs2n_tx datagram(uint8_t *data, size_t len) {
  return (struct hs2n_tx){.remote = {.family = HS2N_FAMILY_IPV4,
                                     .ip = {192, 0, 2, 1},
                                     .port = 7000},
                          .data = data,
                          .len = len,
                          .segment_len = len};
}

/* A recording is read by other processes than the one that wrote it. */
static void the_hash_of_datagrams_is_part_of_the_format(void) {
  uint8_t bytes[] = {1, 2, 3};
  struct hs2n_tx tx[2];

  tx[0] = datagram(bytes, 3);
  tx[1] = datagram(bytes, 2);
  CHECK(hs2n_record_hash(NULL, 0) == 0xcbf29ce484222325u);
  CHECK(hs2n_record_hash(tx, 1) == 0xe92fcfa7079d8105u);
  CHECK(hs2n_record_hash(tx, 2) == 0x8a6b8e32b932df55u);
}

static void whatever_changes_a_datagram_changes_the_hash(void) {
  uint8_t bytes[] = {1, 2, 3};
  const struct hs2n_tx good = datagram(bytes, 3);
  const uint64_t hash = hs2n_record_hash(&good, 1);
  struct hs2n_tx other[5];

  for (size_t i = 0; i < 5; i++) {
    other[i] = good;
  }
  other[0].remote.ip[15] = 1;
  other[1].remote.port++;
  other[2].ecn = 1;
  other[3].segment_len = 2;
  other[4].len = 2;
  for (size_t i = 0; i < 5; i++) {
    CHECK(hs2n_record_hash(&other[i], 1) != hash);
  }
  bytes[2] ^= 0x80;
  CHECK(hs2n_record_hash(&good, 1) != hash);
}

static struct hs2n_tx piped(enum hs2n_io_kind kind, uint8_t *data, size_t len) {
  struct hs2n_tx tx = datagram(data, len);

  tx.kind = (uint8_t)kind;
  tx.pipe = 6;
  return tx;
}

static void the_hash_of_what_goes_to_pipes_is_part_of_the_format(void) {
  uint8_t bytes[] = {1, 2, 3};
  const struct hs2n_tx tx = piped(HS2N_IO_BYTES, bytes, 3);

  CHECK(hs2n_record_hash(&tx, 1) == 0x62643b8e3bcf48afu);
}

static void whatever_changes_what_a_pipe_gets_changes_the_hash(void) {
  uint8_t bytes[] = {1, 2, 3};
  const struct hs2n_tx good = piped(HS2N_IO_BYTES, bytes, 3);
  const struct hs2n_tx open = piped(HS2N_IO_OPEN, NULL, 0);
  const uint64_t hash = hs2n_record_hash(&good, 1);
  struct hs2n_tx other = good;

  other.pipe++;
  CHECK(hs2n_record_hash(&other, 1) != hash);
  other = good;
  other.len = 2;
  CHECK(hs2n_record_hash(&other, 1) != hash);
  other = piped(HS2N_IO_CLOSE, NULL, 0);
  CHECK(hs2n_record_hash(&other, 1) != hs2n_record_hash(&open, 1));
  other = open;
  other.remote.port++;
  CHECK(hs2n_record_hash(&other, 1) != hs2n_record_hash(&open, 1));
}

/* A link need not write what says nothing, and memory of the caller may hold
 * anything there. */
static void what_is_not_of_the_kind_does_not_count(void) {
  uint8_t bytes[] = {1, 2, 3};
  struct hs2n_tx tx = piped(HS2N_IO_BYTES, bytes, 3);
  const uint64_t hash = hs2n_record_hash(&tx, 1);

  tx.remote.port++;
  tx.ecn = 1;
  tx.segment_len = 1;
  CHECK(hs2n_record_hash(&tx, 1) == hash);
}

/* A replay may lend the node more room than the driver had. */
static void what_the_caller_lends_does_not_count(void) {
  uint8_t bytes[] = {1, 2, 3};
  struct hs2n_tx tx = datagram(bytes, 3);
  const uint64_t hash = hs2n_record_hash(&tx, 1);

  tx.capacity = 1500;
  CHECK(hs2n_record_hash(&tx, 1) == hash);
}

int main(void) {
  RUN(the_hash_of_datagrams_is_part_of_the_format);
  RUN(whatever_changes_a_datagram_changes_the_hash);
  RUN(the_hash_of_what_goes_to_pipes_is_part_of_the_format);
  RUN(whatever_changes_what_a_pipe_gets_changes_the_hash);
  RUN(what_is_not_of_the_kind_does_not_count);
  RUN(what_the_caller_lends_does_not_count);
  return tap_done();
}
