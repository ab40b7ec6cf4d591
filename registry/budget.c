/* framecache: how much shared memory slots may take
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <unistd.h>

#include "store-private.h"

static gboolean
plan (FcrStore *store, const FcrEntry *entry, fc_plan_t *planned,
      GError **error)
{
  int r = fcr_entry_plan (entry, store->dir, planned);

  if (r == 0)
    return TRUE;
  fcr_set_error (error, r);
  /* It is the directory that is not there, no slot. */
  if (r == -ENOENT && error != NULL)
    (*error)->code = FCR_ERROR_FAILED;
  return FALSE;
}

gboolean
fcr_store_plan (FcrStore *store, const fc_writer_options_t *options,
                fc_plan_t *planned, GError **error)
{
  g_autoptr (FcrEntry) entry = fcr_entry_new ("", options, geteuid ());

  return plan (store, entry, planned, error);
}

/* A ring may claim any size; sums of such do not wrap. */
static guint64
add (guint64 sum, guint64 bytes)
{
  return sum > G_MAXUINT64 - bytes ? G_MAXUINT64 : sum + bytes;
}

guint64
fcr_store_bytes_used (FcrStore *store)
{
  GHashTableIter iter;
  gpointer tracked;
  guint64 used = 0;

  g_hash_table_iter_init (&iter, store->slots);
  while (g_hash_table_iter_next (&iter, NULL, &tracked))
    used = add (used, ((FcrTracked *) tracked)->slot.stat.bytes_planned);
  return used;
}

/* With what is being made, which may be there already, seen or not. */
static guint64
bytes_taken (FcrStore *store)
{
  GHashTableIter iter;
  gpointer name, value;
  guint64 taken = 0;

  g_hash_table_iter_init (&iter, store->slots);
  while (g_hash_table_iter_next (&iter, &name, &value))
    if (!g_hash_table_contains (store->pending, name))
      taken = add (taken, ((FcrTracked *) value)->slot.stat.bytes_planned);
  g_hash_table_iter_init (&iter, store->pending);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    taken = add (taken, *(const guint64 *) value);
  return taken;
}

gboolean
fcr_budget_set_aside (FcrStore *store, const FcrEntry *entry, GError **error)
{
  guint64 taken = bytes_taken (store);
  fc_plan_t plan_of_it;
  guint64 planned;

  if (!plan (store, entry, &plan_of_it, error))
    return FALSE;
  planned = plan_of_it.bytes_planned;
  if (store->budget > 0
      && (planned > store->budget || taken > store->budget - planned))
    {
      g_set_error (error, FCR_ERROR, FCR_ERROR_OVER_BUDGET,
                   "slot %s may take %" G_GUINT64_FORMAT " bytes; the slots "
                   "that there are may take %" G_GUINT64_FORMAT " of the "
                   "budget of %" G_GUINT64_FORMAT ": ask for fewer or smaller "
                   "frames, remove slots, or raise the registry's --budget",
                   entry->name, planned, taken, store->budget);
      return FALSE;
    }
  g_hash_table_replace (store->pending, g_strdup (entry->name),
                        g_memdup2 (&planned, sizeof planned));
  return TRUE;
}
