#include "tls/stream.h"

#include "tls/exchange.h"
#include "tls/record.h"
#include "tls/stream_int.h"

#include <assert.h>
#include <string.h>

#define ALERT_CLOSE_NOTIFY 0u
#define LEVEL_WARNING 1u
#define LEVEL_FATAL 2u
#define MESSAGE_KEY_UPDATE 24u
#define KEY_UPDATE_LEN 5u

/* ---- life ---------------------------------------------------------------- */

static struct hs2ni_env *env_of(const struct hs2ni_tls_stream *s) {
  return s->tls->env;
}

/* wolfSSL's share is measured, and a test keeps it within this. */
#define SESSION_BYTES ((size_t)64 << 10)

size_t hs2ni_tls_stream_footprint(void) {
  return sizeof(struct hs2ni_tls_stream) + SESSION_BYTES;
}

void hs2ni_tls_stream_free(struct hs2ni_tls_stream *s) {
  if (s == NULL) {
    return;
  }
  hs2ni_tls_session_free(s->session);
  hs2ni_record_keys_fini(&s->rx);
  hs2ni_record_keys_fini(&s->tx);
  hs2ni_record_keys_fini(&s->rx_next);
  hs2ni_record_keys_fini(&s->tx_next);
  hs2ni_free(env_of(s), s, sizeof(*s));
}

int hs2ni_tls_stream_new(struct hs2ni_tls_stream **out, struct hs2ni_tls *tls,
                         enum hs2ni_tls_role role) {
  struct hs2ni_tls_stream *s = hs2ni_alloc(tls->env, sizeof(*s));
  int rv;

  if (s == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  s->tls = tls;
  s->rekey_after = HS2NI_REKEY_RECORDS;
  rv = hs2ni_tls_session_make(&s->session, tls, role, NULL, s);
  if (rv != HS2N_OK) {
    hs2ni_tls_stream_free(s);
    return rv;
  }
  *out = s;
  return HS2N_OK;
}

int hs2ni_tls_stream_begin(struct hs2ni_tls_stream *s) {
  const struct hs2n_span nothing = {NULL, 0};
  const uint64_t failures = env_of(s)->stats.allocation_failures;

  if (s->session->role == HS2NI_TLS_SERVER ||
      hs2ni_exchange_feed(s->session, true, nothing) ==
          HS2NI_EXCHANGE_GOES_ON) {
    return HS2N_OK;
  }
  return env_of(s)->stats.allocation_failures > failures ? HS2N_ERR_NO_MEMORY
                                                         : HS2N_ERR_CRYPTO;
}

/* ---- how it ends --------------------------------------------------------- */

static void say(struct hs2ni_tls_stream *s, uint8_t level, uint8_t alert) {
  s->out_len = s->out_taken = s->out_plain = 0;
  s->update_due = false;
  s->alert = alert;
  s->alert_level = level;
  s->alert_due = true;
}

static enum hs2ni_tls_event fail(struct hs2ni_tls_stream *s, uint8_t alert) {
  if (!s->ended) {
    s->ended = true;
    say(s, LEVEL_FATAL, alert);
  }
  return HS2NI_TLS_FAILED;
}

uint8_t hs2ni_tls_stream_alert(const struct hs2ni_tls_stream *s) {
  return s->alert;
}

void hs2ni_tls_stream_end(struct hs2ni_tls_stream *s) {
  if (!s->ended) {
    s->ended = true;
    say(s, LEVEL_WARNING, ALERT_CLOSE_NOTIFY);
  }
}

/* ---- from wolfSSL -------------------------------------------------------- */

/* The suite that was negotiated, once it was. */
static const struct hs2ni_suite *negotiated(const struct hs2ni_tls_session *t) {
  switch (wolfSSL_get_current_cipher_suite(t->ssl)) {
  case 0x1301: /* TLS_AES_128_GCM_SHA256 */
    return &t->tls->suites[HS2NI_CIPHER_AES_128_GCM];
  case 0x1303: /* TLS_CHACHA20_POLY1305_SHA256 */
    return &t->tls->suites[HS2NI_CIPHER_CHACHA20_POLY1305];
  default:
    return NULL;
  }
}

int hs2ni_tls_stream_secrets(struct hs2ni_tls_session *session, bool handshake,
                             const uint8_t *rx, const uint8_t *tx) {
  struct hs2ni_tls_stream *s = session->stream;

  s->suite = negotiated(session);
  if (s->suite == NULL) {
    return 0;
  }
  if (rx != NULL && hs2ni_record_keys_set(handshake ? &s->rx : &s->rx_next,
                                          s->suite, rx) != 0) {
    return 0;
  }
  return tx == NULL || hs2ni_record_keys_set(handshake ? &s->tx : &s->tx_next,
                                             s->suite, tx) == 0;
}

int hs2ni_tls_stream_message(struct hs2ni_tls_session *session, bool initial,
                             struct hs2n_span bytes) {
  struct hs2ni_tls_stream *s = session->stream;

  if (bytes.len > sizeof(s->out) - s->out_len ||
      (initial && s->out_plain != s->out_len)) {
    return 0;
  }
  memcpy(s->out + s->out_len, bytes.data, bytes.len);
  s->out_len += bytes.len;
  if (initial) {
    s->out_plain = s->out_len;
  }
  return 1;
}

/* ---- receiving ----------------------------------------------------------- */

size_t hs2ni_tls_stream_record(struct hs2ni_tls_stream *s,
                               const uint8_t head[HS2NI_TLS_HEAD_LEN]) {
  const size_t len = (size_t)head[3] << 8 | head[4];

  /* RFC 8446, 5.1: the version below is not looked at, but a stranger who
   * does not speak TLS is told apart here. */
  if (head[0] < HS2NI_CONTENT_CHANGE_CIPHER_SPEC ||
      head[0] > HS2NI_CONTENT_APPLICATION || head[1] != 3) {
    (void)fail(s, HS2NI_ALERT_UNEXPECTED_MESSAGE);
    return 0;
  }
  if (len > HS2NI_TLS_CONTENT_MAX + 256u ||
      (head[0] != HS2NI_CONTENT_APPLICATION && len > HS2NI_TLS_CONTENT_MAX)) {
    (void)fail(s, HS2NI_ALERT_RECORD_OVERFLOW);
    return 0;
  }
  return HS2NI_TLS_HEAD_LEN + len;
}

/* The keys of the application are for what comes behind the handshake. */
static void go_on(struct hs2ni_tls_stream *s) {
  if (s->out_taken == s->out_len) {
    s->out_len = s->out_taken = s->out_plain = 0;
    if (s->tx_next.key != NULL && !s->ended) {
      hs2ni_record_keys_fini(&s->tx);
      s->tx = s->tx_next;
      s->tx_ready = true;
      wc_ForceZero(&s->tx_next, sizeof(s->tx_next));
    }
  }
}

/* A message must not go on behind a change of keys (RFC 8446, 5.1). */
static bool at_boundary(const struct hs2ni_tls_flight *f) {
  return f->left == 0 && f->head_len == 0;
}

static enum hs2ni_tls_event on_handshake(struct hs2ni_tls_stream *s,
                                         struct hs2n_span bytes) {
  struct hs2ni_tls_session *session = s->session;
  const bool initial = s->rx.key == NULL;
  enum hs2ni_exchange_step step;

  if (bytes.len == 0) {
    return fail(s, HS2NI_ALERT_UNEXPECTED_MESSAGE);
  }
  step = hs2ni_exchange_feed(session, initial, bytes);
  if (step == HS2NI_EXCHANGE_FAILED) {
    return fail(s, session->alert);
  }
  if ((initial && s->rx.key != NULL && !at_boundary(&session->flights[0])) ||
      (step == HS2NI_EXCHANGE_DONE && !at_boundary(&session->flights[1]))) {
    return fail(s, HS2NI_ALERT_UNEXPECTED_MESSAGE);
  }
  if (step == HS2NI_EXCHANGE_GOES_ON) {
    return HS2NI_TLS_NOTHING;
  }
  if (s->rx_next.key == NULL || (s->tx_next.key == NULL && !s->tx_ready)) {
    return fail(s, HS2NI_ALERT_INTERNAL_ERROR);
  }
  hs2ni_record_keys_fini(&s->rx);
  s->rx = s->rx_next;
  wc_ForceZero(&s->rx_next, sizeof(s->rx_next));
  s->completed = true;
  go_on(s);
  return HS2NI_TLS_DONE;
}

/* Behind the handshake TLS has nothing to say but that keys change.  Who
 * changes them for every few records only wants to keep us busy. */
static enum hs2ni_tls_event on_key_update(struct hs2ni_tls_stream *s,
                                          struct hs2n_span bytes) {
  static const uint8_t head[] = {MESSAGE_KEY_UPDATE, 0, 0, 1};

  if (bytes.len != KEY_UPDATE_LEN ||
      memcmp(bytes.data, head, sizeof(head)) != 0 ||
      s->rx.seq < HS2NI_REKEY_RECORDS_MIN) {
    return fail(s, HS2NI_ALERT_UNEXPECTED_MESSAGE);
  }
  if (bytes.data[4] > 1) {
    return fail(s, HS2NI_ALERT_ILLEGAL_PARAMETER);
  }
  if (hs2ni_record_keys_update(&s->rx, s->suite) != 0) {
    return fail(s, HS2NI_ALERT_INTERNAL_ERROR);
  }
  s->update_due = s->update_due || bytes.data[4] == 1;
  return HS2NI_TLS_NOTHING;
}

static enum hs2ni_tls_event on_alert(struct hs2ni_tls_stream *s,
                                     struct hs2n_span bytes) {
  if (bytes.len != 2) {
    return fail(s, HS2NI_ALERT_DECODE_ERROR);
  }
  s->ended = true;
  s->alert = bytes.data[1];
  return s->alert == ALERT_CLOSE_NOTIFY ? HS2NI_TLS_ENDED : HS2NI_TLS_ALERT;
}

/* RFC 8446, 5: of no meaning, from stacks that want to look like TLS 1.2. */
static enum hs2ni_tls_event on_change_cipher_spec(struct hs2ni_tls_stream *s,
                                                  struct hs2n_span bytes) {
  if (bytes.len != 1 || bytes.data[0] != 1 || s->completed ||
      ++s->specs > HS2NI_CHANGE_SPECS_MAX) {
    return fail(s, HS2NI_ALERT_UNEXPECTED_MESSAGE);
  }
  return HS2NI_TLS_NOTHING;
}

static enum hs2ni_tls_event on_plain(struct hs2ni_tls_stream *s,
                                     uint8_t content, struct hs2n_span bytes) {
  switch (content) {
  case HS2NI_CONTENT_CHANGE_CIPHER_SPEC:
    return on_change_cipher_spec(s, bytes);
  case HS2NI_CONTENT_ALERT: /* of who has no keys yet */
    return s->completed ? fail(s, HS2NI_ALERT_UNEXPECTED_MESSAGE)
                        : on_alert(s, bytes);
  case HS2NI_CONTENT_HANDSHAKE:
    return s->rx.key != NULL ? fail(s, HS2NI_ALERT_UNEXPECTED_MESSAGE)
                             : on_handshake(s, bytes);
  default:
    return fail(s, HS2NI_ALERT_UNEXPECTED_MESSAGE);
  }
}

static enum hs2ni_tls_event on_opened(struct hs2ni_tls_stream *s,
                                      uint8_t content, struct hs2n_span bytes,
                                      struct hs2n_span *out_data) {
  switch (content) {
  case HS2NI_CONTENT_ALERT:
    return on_alert(s, bytes);
  case HS2NI_CONTENT_HANDSHAKE:
    return s->completed ? on_key_update(s, bytes) : on_handshake(s, bytes);
  case HS2NI_CONTENT_APPLICATION:
    if (!s->completed) {
      return fail(s, HS2NI_ALERT_UNEXPECTED_MESSAGE);
    }
    *out_data = bytes;
    return HS2NI_TLS_DATA;
  default:
    return fail(s, HS2NI_ALERT_UNEXPECTED_MESSAGE);
  }
}

enum hs2ni_tls_event hs2ni_tls_stream_open(struct hs2ni_tls_stream *s,
                                           struct hs2n_span record,
                                           uint8_t *plain,
                                           struct hs2n_span *out_data) {
  const struct hs2n_span body = {record.data + HS2NI_TLS_HEAD_LEN,
                                 record.len - HS2NI_TLS_HEAD_LEN};
  struct hs2n_span opened;
  uint8_t content;
  uint8_t alert;

  if (s->ended) {
    return HS2NI_TLS_FAILED;
  }
  if (record.data[0] != HS2NI_CONTENT_APPLICATION || s->rx.key == NULL) {
    return on_plain(s, record.data[0], body);
  }
  alert = hs2ni_record_open(&s->rx, record, plain, &content, &opened);
  return alert != 0 ? fail(s, alert) : on_opened(s, content, opened, out_data);
}

enum hs2n_reason hs2ni_tls_stream_peer(struct hs2ni_tls_stream *s,
                                       const struct hs2n_key *expected,
                                       struct hs2n_key *out_key) {
  const enum hs2n_reason reason =
      hs2ni_tls_session_peer(s->session, expected, out_key);

  if (reason != HS2N_REASON_NONE) {
    (void)fail(s, reason == HS2N_REASON_ALPN
                      ? HS2NI_ALERT_NO_APPLICATION_PROTOCOL
                      : HS2NI_ALERT_BAD_CERTIFICATE);
  }
  hs2ni_tls_session_free(s->session);
  s->session = NULL;
  return reason;
}

/* ---- sending ------------------------------------------------------------- */

bool hs2ni_tls_stream_ready(const struct hs2ni_tls_stream *s) {
  return s->completed && s->tx_ready && !s->ended;
}

bool hs2ni_tls_stream_waits(const struct hs2ni_tls_stream *s) {
  return s->out_taken < s->out_len || s->alert_due || s->update_due;
}

static size_t take_flight(struct hs2ni_tls_stream *s, uint8_t *out,
                          size_t room) {
  struct hs2ni_record_keys none = {.key = NULL};
  const bool plain = s->out_taken < s->out_plain;
  const size_t left = (plain ? s->out_plain : s->out_len) - s->out_taken;
  const size_t len = left < room - HS2NI_TLS_RECORD_EXTRA
                         ? left
                         : room - HS2NI_TLS_RECORD_EXTRA;
  size_t n;

  memcpy(out + HS2NI_TLS_HEAD_LEN, s->out + s->out_taken, len);
  n = hs2ni_record_seal(plain ? &none : &s->tx, HS2NI_CONTENT_HANDSHAKE, out,
                        len);
  s->out_taken += len;
  go_on(s);
  return n;
}

static size_t take_update(struct hs2ni_tls_stream *s, uint8_t *out) {
  static const uint8_t message[KEY_UPDATE_LEN] = {MESSAGE_KEY_UPDATE, 0, 0, 1,
                                                  0};
  size_t n;

  s->update_due = false;
  memcpy(out + HS2NI_TLS_HEAD_LEN, message, sizeof(message));
  n = hs2ni_record_seal(&s->tx, HS2NI_CONTENT_HANDSHAKE, out, sizeof(message));
  return n > 0 && hs2ni_record_keys_update(&s->tx, s->suite) == 0 ? n : 0;
}

static size_t take_alert(struct hs2ni_tls_stream *s, uint8_t *out) {
  s->alert_due = false;
  out[HS2NI_TLS_HEAD_LEN] = s->alert_level;
  out[HS2NI_TLS_HEAD_LEN + 1] = s->alert;
  return hs2ni_record_seal(&s->tx, HS2NI_CONTENT_ALERT, out, 2);
}

size_t hs2ni_tls_stream_take(struct hs2ni_tls_stream *s, uint8_t *out,
                             size_t room) {
  assert(room >= HS2NI_TLS_TAKE_MAX);
  if (s->out_taken < s->out_len) {
    return take_flight(s, out, room);
  }
  if (s->update_due) {
    return take_update(s, out);
  }
  return s->alert_due ? take_alert(s, out) : 0;
}

size_t hs2ni_tls_stream_seal(struct hs2ni_tls_stream *s, uint8_t *record,
                             size_t len) {
  const size_t n =
      hs2ni_record_seal(&s->tx, HS2NI_CONTENT_APPLICATION, record, len);

  if (s->tx.seq >= s->rekey_after) {
    s->update_due = true;
  }
  return n;
}
