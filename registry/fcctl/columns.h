/* framecache: columns of a table that goes on
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Unlike FcctlTable, which knows all of its rows: here more come later, and
 * the columns must not jump about. Where the terminal is narrow, those that
 * matter least go.
 */
#ifndef FCCTL_COLUMNS_H
#define FCCTL_COLUMNS_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  const gchar *title; /* begins with '>': right-aligned */
  guint width;        /* at least, as is its title's; grows with what comes */
  guint most;         /* but not beyond this; 0: without end */
  guint rank;         /* the highest goes first; 0 stays */
} FcctlColumn;

/* Widen COLUMNS, of which the last one has no title, for ROW. */
void fcctl_columns_measure (FcctlColumn *columns, const gchar *const *row);
/* ROW, or where it is NULL the titles, as a line of at most WIDTH columns (0:
 * as wide as it is). The caller's. */
gchar *fcctl_columns_line (const FcctlColumn *columns, const gchar *const *row,
                           guint width);

G_END_DECLS

#endif /* FCCTL_COLUMNS_H */
