/* report: a line a minute, and the verdict. */
#ifndef SOAK_REPORT_H
#define SOAK_REPORT_H

#include "soak.h"

/* What the lines so far have shown. */
struct report {
  struct ledger ledger;
  struct soak_sums sums;
};

void report_head(void);
/* Ends a minute: prints what it has added. */
void report_minute(struct report *r, struct soak *s, hs2n_time now);

struct verdict {
  bool drained;  /* all came to its end in time; set by the caller */
  uint64_t open; /* sends, or peers that are full, at the end */
  uint64_t left; /* bytes that the nodes have not given back */
  struct soak_sums sums;
  struct gauge_growth growth;
  bool good;
};

/* s has been closed; v has drained and sums. */
void report_judge(struct verdict *v, const struct soak *s);
void report_verdict(const struct verdict *v, const struct soak *s);
/* False: see errno. */
bool report_json(const char *path, const struct verdict *v,
                 const struct soak *s);

#endif /* SOAK_REPORT_H */
