/* refused: handshakes that must not succeed, and how it shows. */
#ifndef TEST_REFUSED_H
#define TEST_REFUSED_H

#include "evil.h"

#include "tap.h"

#define CRYPTO_ERROR 0x100u /* RFC 9001, 4.8: plus the TLS alert */

/* Alerts of RFC 8446, 6 */
enum {
  ALERT_UNEXPECTED_MESSAGE = 10,
  ALERT_BAD_CERTIFICATE = 42,
  ALERT_ILLEGAL_PARAMETER = 47,
  ALERT_DECRYPT_ERROR = 51,
  ALERT_UNRECOGNIZED_NAME = 112,
  ALERT_CERTIFICATE_REQUIRED = 116,
  ALERT_NO_APPLICATION_PROTOCOL = 120,
};

static inline void begin(struct pair *p, uint64_t seed) {
  pair_init(p, seed);
  CHECK_EQ(pair_contexts(p), HS2N_OK);
}

static inline void go(struct pair *p) {
  CHECK_EQ(pair_dial(p), HS2N_OK);
  pair_run(p);
}

/* by refused with this alert, and the other end heard it. */
static inline void check_refused(struct pair *p, struct end *by,
                                 uint8_t alert) {
  const struct end *other = by == &p->client ? &p->server : &p->client;

  CHECK_EQ(by->error, NGTCP2_ERR_CRYPTO);
  CHECK_EQ(by->alert, alert);
  CHECK(!by->completed);
  CHECK_EQ(other->heard_code, CRYPTO_ERROR + alert);
}

static inline uint64_t refusals(const struct end *e) {
  const struct hs2n_stats *s = &e->env.stats;

  return s->refused_alpn + s->refused_certificate + s->refused_chain +
         s->refused_wrong_key;
}

#endif /* TEST_REFUSED_H */
