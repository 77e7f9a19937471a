#include "measure.h"

#include <stdio.h>
#include <string.h>

bool measure_args(const char *program, int argc, char **argv,
                  struct measure_args *out) {
  *out = (struct measure_args){0};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--quick") == 0) {
      out->quick = true;
    } else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
      out->json = argv[++i];
    } else {
      (void)fprintf(stderr, "usage: %s [--quick] [--json FILE]\n", program);
      return false;
    }
  }
  return true;
}

bool measure_promise(const char *program, bool kept, const char *what) {
  if (!kept) {
    (void)fprintf(stderr, "%s: %s\n", program, what);
  }
  return kept;
}
