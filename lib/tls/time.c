#include "tls/time.h"

#define DAY_S 86400
#define YEAR_9999_END INT64_C(253402300799)

/* Days from 1970-01-01 to a date of the Gregorian calendar: years begin in
 * March, so that the leap day is a year's last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
  const int64_t y = month > 2 ? year : year - 1;
  const int64_t m = month > 2 ? month - 3 : month + 9;

  return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 -
         719468;
}

static bool leap(int64_t year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t month_days(int64_t year, int64_t month) {
  if (month == 2) {
    return leap(year) ? 29 : 28;
  }
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/* n digits at the front of *s, or -1. */
static int64_t take_digits(struct hs2n_span *s, size_t n) {
  int64_t value = 0;

  if (s->len < n) {
    return -1;
  }
  for (size_t i = 0; i < n; i++) {
    if (s->data[i] < '0' || s->data[i] > '9') {
      return -1;
    }
    value = value * 10 + (s->data[i] - '0');
  }
  *s = (struct hs2n_span){s->data + n, s->len - n};
  return value;
}

int64_t hs2ni_time_take(struct hs2ni_der *der) {
  const bool is_short = hs2ni_der_next_is(der, HS2NI_DER_UTC_TIME);
  struct hs2n_span s = hs2ni_der_take(
      der, is_short ? HS2NI_DER_UTC_TIME : HS2NI_DER_GENERALIZED_TIME);
  int64_t year = take_digits(&s, is_short ? 2 : 4);
  const int64_t month = take_digits(&s, 2);
  const int64_t day = take_digits(&s, 2);
  const int64_t hour = take_digits(&s, 2);
  const int64_t minute = take_digits(&s, 2);
  const int64_t second = take_digits(&s, 2);

  if (is_short && year >= 0) {
    year += year >= 50 ? 1900 : 2000;
  }
  if (year < 0 || month < 1 || month > 12 || day < 1 ||
      day > month_days(year, month) || hour < 0 || hour > 23 || minute < 0 ||
      minute > 59 || second < 0 || second > 59 || s.len != 1 ||
      s.data[0] != 'Z') {
    der->failed = true;
    return 0;
  }
  return days_of(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second;
}

static void put_digits(struct hs2ni_der_out *out, int64_t value, size_t n) {
  uint8_t text[4];

  for (size_t i = n; i > 0; i--) {
    text[i - 1] = (uint8_t)('0' + value % 10);
    value /= 10;
  }
  hs2ni_der_put(out, text, n);
}

void hs2ni_time_put(struct hs2ni_der_out *out, int64_t unix_time_s) {
  const size_t end = out->start;
  const int64_t low = unix_time_s < 0 ? 0 : unix_time_s;
  const int64_t t = low > YEAR_9999_END ? YEAR_9999_END : low;
  int64_t days = t / DAY_S;
  int64_t year = 1970;
  int64_t month = 1;

  /* At most 8,030 turns, once at the start of a node. */
  for (; days >= (leap(year) ? 366 : 365); year++) {
    days -= leap(year) ? 366 : 365;
  }
  for (; days >= month_days(year, month); month++) {
    days -= month_days(year, month);
  }
  hs2ni_der_put(out, (const uint8_t *)"Z", 1);
  put_digits(out, t % 60, 2);
  put_digits(out, t / 60 % 60, 2);
  put_digits(out, t / 3600 % 24, 2);
  put_digits(out, days + 1, 2);
  put_digits(out, month, 2);
  if (year < 2050) {
    put_digits(out, year % 100, 2);
    hs2ni_der_wrap(out, HS2NI_DER_UTC_TIME, end);
  } else {
    put_digits(out, year, 4);
    hs2ni_der_wrap(out, HS2NI_DER_GENERALIZED_TIME, end);
  }
}
