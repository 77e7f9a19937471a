#include "setup.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const storage_names[] = {[REP_STORE_FSYNC] = "fsync",
                                            [REP_STORE_NO_FSYNC] = "file",
                                            [REP_STORE_MEMORY] = "memory"};

static const char *const transport_names[] = {
    [HS2N_TRANSPORT_QUIC] = "quic", [HS2N_TRANSPORT_TCP] = "tcp"};

/* ---- values ------------------------------------------------------------- */

static bool copy_text(char *out, size_t len, const char *value) {
  const size_t n = strlen(value);

  if (n == 0 || n >= len) {
    return false;
  }
  memcpy(out, value, n + 1);
  return true;
}

static bool read_number(const char *value, uint64_t max, uint64_t *out) {
  char *end;
  unsigned long long number;

  errno = 0;
  number = strtoull(value, &end, 10);
  if (!isdigit((unsigned char)*value) || *end != '\0' || errno != 0 ||
      number > max) {
    return false;
  }
  *out = number;
  return true;
}

/* The number of a name among n; false: it is not among them. */
static bool read_name(const char *value, const char *const *names, size_t n,
                      size_t *out) {
  for (size_t i = 0; i < n; i++) {
    if (strcmp(value, names[i]) == 0) {
      *out = i;
      return true;
    }
  }
  return false;
}

static bool read_storage(const char *value, enum rep_store_sync *out) {
  size_t i;

  if (!read_name(value, storage_names,
                 sizeof(storage_names) / sizeof(storage_names[0]), &i)) {
    return false;
  }
  *out = (enum rep_store_sync)i;
  return true;
}

static bool read_transport(const char *value, enum hs2n_transport *out) {
  size_t i;

  if (!read_name(value, transport_names,
                 sizeof(transport_names) / sizeof(transport_names[0]), &i)) {
    return false;
  }
  *out = (enum hs2n_transport)i;
  return true;
}

/* hex has two digits for each byte at least. */
static bool read_key(const char *hex, struct hs2n_key *out) {
  for (size_t i = 0; i < sizeof(out->bytes); i++) {
    const char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

    if (!isxdigit((unsigned char)digits[0]) ||
        !isxdigit((unsigned char)digits[1])) {
      return false;
    }
    out->bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
  }
  return true;
}

static bool read_member(struct rep_setup *s, const char *value) {
  const size_t hex_len = 2 * (size_t)HS2N_KEY_LEN;

  if (s->members == REP_N_MAX || strlen(value) <= hex_len ||
      !read_key(value, &s->keys[s->members]) || value[hex_len] != ' ' ||
      hs2n_addr_parse(value + hex_len + strspn(value + hex_len, " "),
                      &s->addrs[s->members]) != HS2N_OK) {
    return false;
  }
  s->members++;
  return true;
}

/* ---- keys --------------------------------------------------------------- */

struct number_key {
  const char *name;
  uint64_t max;
};

static const struct number_key number_keys[] = {
    {"me", REP_N_MAX - 1},
    {"timer_min_ms", 3600000},
    {"timer_max_ms", 3600000},
    {"idle_ms", 3600000},
    {"block_txs_max", 1u << 20},
    {"block_bytes_max", 32u << 20},
    {"mempool_txs_max", 1u << 26},
    {"window_txs", 1u << 28},
    {"uplink_bits_per_s", 1000000000000u},
};

static void set_number(struct rep_setup *s, size_t key, uint64_t value) {
  struct rep_config *const c = &s->config;

  switch (key) {
  case 0:
    c->committee.me = (uint32_t)value;
    break;
  case 1:
    c->timer_min = HS2N_MS(value);
    break;
  case 2:
    c->timer_max = HS2N_MS(value);
    break;
  case 3:
    c->idle = HS2N_MS(value);
    break;
  case 4:
    c->block_txs_max = (uint32_t)value;
    break;
  case 5:
    c->block_bytes_max = (uint32_t)value;
    c->sync_bytes_max = (uint32_t)value;
    c->tree_bytes_max = 128 * (size_t)value;
    break;
  case 6:
    c->mempool.txs_max = (uint32_t)value;
    break;
  case 7:
    c->mempool.window_txs = (uint32_t)value;
    break;
  default:
    s->uplink_bits_per_s = value;
    break;
  }
}

static bool set(struct rep_setup *s, const char *key, const char *value) {
  uint64_t number;

  if (strcmp(key, "chain") == 0) {
    return copy_text(s->config.committee.chain_id,
                     sizeof(s->config.committee.chain_id), value);
  }
  if (strcmp(key, "identity") == 0) {
    return copy_text(s->identity, sizeof(s->identity), value);
  }
  if (strcmp(key, "log") == 0) {
    return copy_text(s->log, sizeof(s->log), value);
  }
  if (strcmp(key, "storage") == 0) {
    return read_storage(value, &s->storage);
  }
  if (strcmp(key, "transport") == 0) {
    return read_transport(value, &s->transport);
  }
  if (strcmp(key, "member") == 0) {
    return read_member(s, value);
  }
  for (size_t i = 0; i < sizeof(number_keys) / sizeof(number_keys[0]); i++) {
    if (strcmp(key, number_keys[i].name) == 0 &&
        read_number(value, number_keys[i].max, &number)) {
      set_number(s, i, number);
      return true;
    }
  }
  return false;
}

/* ---- the file ----------------------------------------------------------- */

/* Cuts off spaces at both ends. */
static char *trim(char *text) {
  size_t len;

  while (isspace((unsigned char)*text)) {
    text++;
  }
  len = strlen(text);
  while (len > 0 && isspace((unsigned char)text[len - 1])) {
    len--;
  }
  text[len] = '\0';
  return text;
}

static bool take_line(struct rep_setup *s, char *line) {
  char *const comment = strchr(line, '#');
  char *value;

  if (comment != NULL) {
    *comment = '\0';
  }
  line = trim(line);
  if (*line == '\0') {
    return true;
  }
  value = strchr(line, '=');
  if (value == NULL) {
    return false;
  }
  *value = '\0';
  return set(s, trim(line), trim(value + 1));
}

static const char *check(struct rep_setup *s, const char *path,
                         char text[REP_WRONG_MAX]) {
  const char *field;

  s->config.committee.n = s->members;
  field = rep_config_check(&s->config);
  if (field == NULL && s->identity[0] == '\0') {
    field = "identity";
  }
  if (field == NULL && s->log[0] == '\0' && s->storage != REP_STORE_MEMORY) {
    field = "log";
  }
  if (field == NULL) {
    return NULL;
  }
  (void)snprintf(text, REP_WRONG_MAX, "%s: %s is missing or out of range", path,
                 strcmp(field, "n") == 0 ? "number of members" : field);
  return text;
}

const char *rep_setup_read(struct rep_setup *out, const char *path,
                           char text[REP_WRONG_MAX]) {
  FILE *const file = fopen(path, "re");
  char line[2 * REP_PATH_MAX];
  bool ok = true;
  int n = 0;

  *out = (struct rep_setup){.storage = REP_STORE_FSYNC};
  rep_config_default(&out->config);
  if (file == NULL) {
    (void)snprintf(text, REP_WRONG_MAX, "%s: %s", path, strerror(errno));
    return text;
  }
  while (ok && fgets(line, sizeof(line), file) != NULL) {
    n++;
    ok = take_line(out, line);
  }
  (void)fclose(file);
  if (!ok) {
    (void)snprintf(text, REP_WRONG_MAX,
                   "%s:%d: want a known \"key = value\" in its range", path, n);
    return text;
  }
  return check(out, path, text);
}

static void write_members(const struct rep_setup *s, FILE *file) {
  for (uint32_t i = 0; i < s->members; i++) {
    char addr[HS2N_ADDR_TEXT_MAX];

    (void)fprintf(file, "member = ");
    for (size_t k = 0; k < HS2N_KEY_LEN; k++) {
      (void)fprintf(file, "%02x", (unsigned)s->keys[i].bytes[k]);
    }
    (void)fprintf(file, " %s\n", hs2n_addr_text(&s->addrs[i], addr));
  }
}

int rep_setup_write(const struct rep_setup *s, const char *path) {
  const struct rep_config *const c = &s->config;
  FILE *const file = fopen(path, "we");
  bool failed;

  if (file == NULL) {
    return errno;
  }
  (void)fprintf(file,
                "chain = %s\nme = %" PRIu32 "\nidentity = %s\nlog = %s\n"
                "storage = %s\ntransport = %s\n",
                c->committee.chain_id, c->committee.me, s->identity, s->log,
                storage_names[s->storage], transport_names[s->transport]);
  (void)fprintf(file,
                "timer_min_ms = %" PRIu64 "\ntimer_max_ms = %" PRIu64
                "\nidle_ms = %" PRIu64 "\n",
                c->timer_min / HS2N_MS(1), c->timer_max / HS2N_MS(1),
                c->idle / HS2N_MS(1));
  (void)fprintf(file,
                "block_txs_max = %" PRIu32 "\nblock_bytes_max = %" PRIu32
                "\nmempool_txs_max = %" PRIu32 "\nwindow_txs = %" PRIu32
                "\nuplink_bits_per_s = %" PRIu64 "\n",
                c->block_txs_max, c->block_bytes_max, c->mempool.txs_max,
                c->mempool.window_txs, s->uplink_bits_per_s);
  write_members(s, file);
  failed = ferror(file) != 0;
  if (fclose(file) != 0 || failed) {
    return errno != 0 ? errno : EIO;
  }
  return 0;
}
