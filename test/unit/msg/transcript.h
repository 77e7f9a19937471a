/* transcript: one end of an exchange, as text that can be run again.
 *
 * A transcript is a list of lines.  Those that begin with "=" are what came of
 * the ones before; the others are what happened to this end:
 *
 *   hello HEX                  the peer's hello: a connection
 *   detach                     it is gone
 *   data STREAM FIN HEX        bytes of a stream of the peer
 *   datagram HEX
 *   reset STREAM               the peer abandoned its stream
 *   stopped STREAM             the peer does not want ours
 *   write                      the transport takes, and acks, all there is
 *   send TYPE FLAGS VIEW KEY LEN FILL   the application sends; tagged if ACK
 *   request TYPE FLAGS VIEW LEN FILL    tagged
 *   respond LANE SEQ STATUS LEN FILL    to a request it took
 *   fetch VERDICT              it takes what comes next
 *   judge LANE SEQ VERDICT
 *   view NUMBER
 *   time MS
 *
 *   = message LANE SEQ UNORDERED TYPE FLAGS VIEW LEN HASH SIGNED
 *   = request                  the message before is one
 *   = response SEND STATUS     it answers that one
 *   = done SEND OUTCOME REASON
 *   = ack LANE UNORDERED FLOOR BITMAP    what this end wrote
 *   = nack LANE UNORDERED SEQ CODE
 *   = close REASON             this end found a breach
 *
 * What an end writes besides is not in it: that may change from version to
 * version, but not what a peer's bytes mean. */
#ifndef TRANSCRIPT_H
#define TRANSCRIPT_H

#include "msg/chan.h"
#include "msg/msgs.h"
#include "test_mem.h"

#include <stdio.h>

#define TRANSCRIPT_STREAMS 64
#define TRANSCRIPT_UNITS 256
#define TRANSCRIPT_TAGS 64

enum unit_kind { UNIT_DATA, UNIT_DATAGRAM, UNIT_RESET, UNIT_STOP };

/* What the transport would carry to the other end. */
struct unit {
  enum unit_kind kind;
  uint64_t stream; /* as the other end knows it */
  bool fin;
  size_t len;
  uint8_t *bytes;
};

struct transcript {
  struct hs2ni_conn conn; /* first member */
  struct test_mem mem;
  struct hs2ni_env env;
  struct hs2n_identity *identity;
  uint32_t place;
  struct hs2ni_msgs *msgs;
  struct hs2ni_chan *chan;
  bool attached;

  uint64_t opened, sent[TRANSCRIPT_STREAMS];
  uint64_t acks_stream;
  struct hs2ni_stash acks;
  uint64_t ended[TRANSCRIPT_STREAMS]; /* to be reported as done */
  size_t ended_n;
  struct unit units[TRANSCRIPT_UNITS];
  size_t units_n;

  struct hs2n_tag tags[TRANSCRIPT_TAGS];
  size_t tags_n;
  FILE *out;
  char *text; /* all lines so far, after transcript_text */
  size_t text_len;
};

/* The end at place 0 or 1. */
void transcript_init(struct transcript *t, uint32_t place);
void transcript_fini(struct transcript *t);
/* Does what the line says, and writes it and what came of it down. */
void transcript_line(struct transcript *t, const char *line);
const char *transcript_text(struct transcript *t);
/* The hello of this end, with what it can read of these capabilities, in
 * hexadecimal; out has 2 * HS2NI_HELLO_MAX + 1. */
void transcript_hello(const struct transcript *t, uint64_t incarnation,
                      uint64_t capabilities, char *out);
void transcript_forget_units(struct transcript *t);

#endif /* TRANSCRIPT_H */
