#include "io/io.h"

#include <errno.h>
#include <signal.h>

static void *thread_main(void *arg) {
  struct hs2n_io *io = arg;

  if (hs2ni_loop_run(io) != HS2N_OK) {
    hs2ni_io_log(&io->log, HS2N_LOG_ERROR, "io.failed", "errno=%d", errno);
  }
  return NULL;
}

/* Signals belong to the program's own threads: none is taken here. */
int hs2n_io_start(struct hs2n_io *io) {
  sigset_t all;
  sigset_t old;
  int err;

  if (io->thread_runs || io->in_turn) {
    return HS2N_ERR_STATE;
  }
  io->thread_runs = true;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  err = pthread_create(&io->thread, NULL, thread_main, io);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (err != 0) {
    io->thread_runs = false;
    errno = err;
    return HS2N_ERR_SYSTEM;
  }
  pthread_setname_np(io->thread, "hs2net");
  return HS2N_OK;
}

void hs2n_io_join(struct hs2n_io *io) {
  if (io->thread_runs) {
    pthread_join(io->thread, NULL);
    io->thread_runs = false;
  }
}
