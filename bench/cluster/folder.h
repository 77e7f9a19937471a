/* folder: the temporary folder of a run: keys, configuration, logs. */
#ifndef CLUSTER_FOLDER_H
#define CLUSTER_FOLDER_H

#include "child.h"
#include "options.h"

struct folder {
  char path[256]; /* "" while there is none */
};

/* Makes a folder under $TMPDIR or /tmp, and in it, for each replica, a
 * folder with an identity (mode 0600) and a configuration that names all.
 * Sets dir of each child.  Returns NULL, or what is wrong, in text. */
const char *folder_make(struct folder *folder, const struct options *o,
                        struct child *children, char *text, size_t len);

/* Removes the folder and what folder_make and the replicas put there. */
void folder_remove(struct folder *folder, const struct options *o);

#endif /* CLUSTER_FOLDER_H */
