/* framecache: what fcctl top has to show
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCCTL_TOPTABLE_H
#define FCCTL_TOPTABLE_H

#include "census.h"
#include "columns.h"

G_BEGIN_DECLS

#define FCCTL_TOP_COLUMNS 12

typedef struct
{
  FcctlCensus *census; /* borrowed */
  gboolean consumers;  /* under each slot, its consumers */
  guint order;         /* of the slots */
  guint width;         /* to fit in, columns; 0: as wide as it is */
  FcctlColumn columns[FCCTL_TOP_COLUMNS + 1];
} FcctlTopTable;

void fcctl_top_table_init (FcctlTopTable *table, FcctlCensus *census);
/* FALSE where there is no such order. */
gboolean fcctl_top_table_set_order (FcctlTopTable *table, const gchar *name);
void fcctl_top_table_next_order (FcctlTopTable *table);
const gchar *fcctl_top_table_order (const FcctlTopTable *table);
/* Put the census's slots in order. */
void fcctl_top_table_sort (FcctlTopTable *table);

/* How many slots, consumers and bytes there are, and the time. */
gchar *fcctl_top_table_summary (const FcctlTopTable *table);
/* The rows, of GStrv, for a width; and one of them, or with NULL the titles,
 * as a line. All are the caller's. */
GPtrArray *fcctl_top_table_rows (FcctlTopTable *table, guint width);
gchar *fcctl_top_table_line (const FcctlTopTable *table, gchar **row);

G_END_DECLS

#endif /* FCCTL_TOPTABLE_H */
