#include "recorder.h"

#include <hs2net/hs2net.h>
#include <hs2net/io.h>
#include <stdio.h>

/* Some minutes of a small committee. */
#define BYTES_MAX (64u << 20)

static bool complain(const char *path, int err) {
  (void)fprintf(stderr, "hs2net-sim: %s: %s\n", path, hs2n_err_text(err));
  return false;
}

static bool begin(struct recorder *r) {
  int err = hs2n_identity_save(hs2n_sim_identity(r->sim, r->node), r->identity);

  if (err != HS2N_OK) {
    return complain(r->identity, err);
  }
  err = hs2n_recording_open(&r->file, r->path, BYTES_MAX);
  return err == HS2N_OK || complain(r->path, err);
}

void recorder_configure(struct recorder *r, uint32_t node,
                        struct hs2n_config *config) {
  if (r->path == NULL || node != r->node || r->file != NULL || r->failed) {
    return;
  }
  if (begin(r)) {
    config->record = hs2n_recording_write;
    config->record_data = r->file;
  } else {
    r->failed = true;
  }
}

bool recorder_close(struct recorder *r) {
  hs2n_recording_close(r->file);
  r->file = NULL;
  return !r->failed;
}
