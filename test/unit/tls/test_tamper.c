/* A million packets changed on their way. */
#include "pair.h"

#include "base/rng.h"
#include "tap.h"

#define PACKETS 500000

/* Half of them to each end: one to four bits of a packet are flipped, or it
 * is cut. */
static void check_tampering(bool to_server) {
  uint8_t packet[1500];
  uint8_t bent[1500];
  struct hs2ni_rng rng;
  struct pair p;
  struct end *to;
  uint64_t before;
  size_t len;

  pair_connect(&p, to_server ? 60 : 61);
  REQUIRE(p.client.confirmed);
  to = to_server ? &p.server : &p.client;
  len = pair_packet(&p, to_server ? &p.client : &p.server, packet);
  before = to->stream_bytes;
  hs2ni_rng_seed(&rng, 1);
  for (int i = 0; i < PACKETS && to->error == 0; i++) {
    const uint64_t flips = hs2ni_rng_below(&rng, 5);

    memcpy(bent, packet, len);
    for (uint64_t k = 0; k < flips; k++) {
      const uint64_t bit = hs2ni_rng_below(&rng, len * 8);

      bent[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    if (memcmp(bent, packet, len) == 0) {
      pair_deliver(&p, to, bent, hs2ni_rng_below(&rng, len));
    } else {
      pair_deliver(&p, to, bent, len);
    }
  }
  CHECK_EQ(to->error, 0);
  CHECK_EQ(to->stream_bytes, before);
  /* The packet as it was is still good. */
  pair_deliver(&p, to, packet, len);
  CHECK(to->stream_bytes > before);
  pair_fini(&p);
}

/* covers: H51 */
static void no_changed_packet_reaches_a_server_s_application(void) {
  check_tampering(true);
}

/* covers: H51 */
static void no_changed_packet_reaches_a_client_s_application(void) {
  check_tampering(false);
}

int main(void) {
  RUN(no_changed_packet_reaches_a_server_s_application);
  RUN(no_changed_packet_reaches_a_client_s_application);
  return tap_done();
}
