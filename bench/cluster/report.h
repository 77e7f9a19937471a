/* report: what a run has shown, for people and as JSON. */
#ifndef CLUSTER_REPORT_H
#define CLUSTER_REPORT_H

#include "cluster.h"
#include "sweep.h"

/* The title of a run. */
void report_title(const struct options *o);

/* The summary of a demo that passed. */
void report_summary(const struct cluster *c);

/* Writes options.json, if asked for; sweep may be NULL.  False after saying
 * on stderr what went wrong. */
bool report_json(const struct cluster *c, const struct sweep *sweep,
                 bool passed);

#endif /* CLUSTER_REPORT_H */
