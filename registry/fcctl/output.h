/* framecache: a file that is there as a whole, or not at all
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCCTL_OUTPUT_H
#define FCCTL_OUTPUT_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct _FcctlOutput FcctlOutput;

/* PATH "-" is standard output, unless that is a terminal. Otherwise what is
 * written goes to a file beside PATH, which takes its place when all of it is
 * written; with IN_PLACE, and where PATH is no regular file, to PATH itself.
 * NULL with ERROR, a sentence that names PATH. */
FcctlOutput *fcctl_output_open (const gchar *path, gboolean in_place,
                                GError **error);
gboolean fcctl_output_write (FcctlOutput *output, gconstpointer data,
                             gsize size, GError **error);
/* All of it is written. Frees OUTPUT, also on error. */
gboolean fcctl_output_finish (FcctlOutput *output, GError **error);
/* Leave PATH as it was. Takes NULL. */
void fcctl_output_abandon (FcctlOutput *output);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FcctlOutput, fcctl_output_abandon)

G_END_DECLS

#endif /* FCCTL_OUTPUT_H */
