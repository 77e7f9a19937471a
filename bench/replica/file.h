/* file: a log's medium in a file. */
#ifndef REP_FILE_H
#define REP_FILE_H

#include "medium.h"

struct rep_file {
  int fd;            /* -1: closed */
  bool sync;         /* fdatasync after each append: survives a power cut */
  uint64_t flush_ns; /* in write and fdatasync, all in all */
};

/* Opens the file or makes one.  Returns 0 or an errno value. */
int rep_file_open(struct rep_file *file, const char *path, bool sync);
void rep_file_close(struct rep_file *file);

/* Its methods; file must outlive them. */
struct rep_medium rep_file_medium(struct rep_file *file);

#endif /* REP_FILE_H */
