/* time: dates of certificates (RFC 5280, 4.1.2.5), by calendar arithmetic
 * alone. */
#ifndef HS2NI_TLS_TIME_H
#define HS2NI_TLS_TIME_H

#include "tls/der.h"

/* Reads a UTCTime or GeneralizedTime; marks der failed if it is none. */
int64_t hs2ni_time_take(struct hs2ni_der *der);
/* Writes one.  Times before 1970 and after the year 9999 are moved there. */
void hs2ni_time_put(struct hs2ni_der_out *out, int64_t unix_time_s);

#endif /* HS2NI_TLS_TIME_H */
