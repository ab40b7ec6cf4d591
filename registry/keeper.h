/* framecache: making, removing and collecting slots, and the file of those that
 * are reserved
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What may take long and what has to be on disk first. One thread at a time:
 * the store's worker.
 *
 * The order of things is such that kill -9 between any two of them leaves what
 * the next start can finish:
 *   create  the entry, the ring          entry without ring: it is made
 *   remove  a mark, the ring, the entry  mark: the ring goes, then the entry
 */
#ifndef FCR_KEEPER_H
#define FCR_KEEPER_H

#include "statefile.h"

G_BEGIN_DECLS

typedef struct
{
  const gchar *dir; /* NULL: the usual ones */
  FcrStateFile *file;
} FcrKeeper;

/* Takes ENTRY. On error all is as it was. */
gboolean fcr_keeper_create (FcrKeeper *keeper, FcrEntry *entry, GError **error);
/* Make the ring of the entry NAME, where it has none. */
gboolean fcr_keeper_make (FcrKeeper *keeper, const gchar *name, GError **error);
gboolean fcr_keeper_remove (FcrKeeper *keeper, const gchar *name,
                            gboolean force, GError **error);
/* Finish the removals that a crash cut short. */
void fcr_keeper_recover (FcrKeeper *keeper);
/* The reserved slot NAME is there and is not, or not so, in the file: made by
 * others. A file that can not be written has it in memory all the same. */
gboolean fcr_keeper_adopt (FcrKeeper *keeper, const gchar *name,
                           GError **error);
/* The reserved slot NAME was removed by others. FALSE without ERROR where it is
 * there again. */
gboolean fcr_keeper_forget (FcrKeeper *keeper, const gchar *name,
                            GError **error);
/* The names of slots of which something was collected. */
GStrv fcr_keeper_collect (FcrKeeper *keeper, GError **error);

G_END_DECLS

#endif /* FCR_KEEPER_H */
