/* framecache: making, removing and collecting slots, and the file of those that
 * are reserved
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <string.h>

#include "keeper.h"
#include "store.h"

static int
stat_slot (FcrKeeper *keeper, const gchar *name, fc_slot_stat_t *stat)
{
  *stat = (fc_slot_stat_t){ .struct_size = sizeof *stat };
  return fc_slot_stat (keeper->dir, name, stat);
}

/* The writer of a slot that may not go. */
static gboolean
has_writer (FcrKeeper *keeper, const gchar *name)
{
  fc_slot_stat_t stat;

  return stat_slot (keeper, name, &stat) == 0 && stat.state == FC_STATE_LIVE;
}

/* What of a failure can be told before the file is written. */
static gboolean
check_room (FcrKeeper *keeper, const FcrEntry *entry, GError **error)
{
  fc_slot_stat_t stat;
  fc_plan_t plan;
  int r = stat_slot (keeper, entry->name, &stat);

  if (r == 0)
    {
      g_set_error (error, FCR_ERROR, FCR_ERROR_EXISTS,
                   "slot %s exists already in %s; remove it first, or use "
                   "another slot name",
                   stat.name, stat.dir);
      return FALSE;
    }
  r = fcr_entry_plan (entry, keeper->dir, &plan);
  if (r < 0)
    {
      fcr_set_error (error, r);
      return FALSE;
    }
  if (plan.bytes_initial > plan.bytes_free)
    {
      g_set_error (error, FCR_ERROR, FCR_ERROR_NO_SPACE,
                   "slot %s needs %" G_GUINT64_FORMAT " bytes in %s, which has "
                   "%" G_GUINT64_FORMAT " free; ask for fewer or smaller "
                   "frames, remove slots, or enlarge its file system",
                   entry->name, plan.bytes_initial, plan.dir, plan.bytes_free);
      return FALSE;
    }
  return TRUE;
}

static gboolean
reserve (FcrKeeper *keeper, const FcrEntry *entry, GError **error)
{
  fc_writer_options_t options;
  int r;

  fcr_entry_options (entry, keeper->dir, &options);
  r = fc_slot_reserve (entry->name, &options);
  if (r < 0)
    fcr_set_error (error, r);
  return r == 0;
}

/* A file that can not be written keeps what it had; that is said, and the next
 * save may put it right. */
static void
save_or_warn (FcrKeeper *keeper)
{
  g_autoptr (GError) error = NULL;

  if (!fcr_state_file_save (keeper->file, &error))
    g_warning ("%s", error->message);
}

gboolean
fcr_keeper_create (FcrKeeper *keeper, FcrEntry *entry, GError **error)
{
  g_autoptr (FcrEntry) before = NULL;
  g_autofree gchar *name = g_strdup (entry->name);
  gboolean saved, made;

  if (!check_room (keeper, entry, error))
    {
      fcr_entry_free (entry);
      return FALSE;
    }
  before = fcr_state_file_take (keeper->file, name);
  fcr_state_file_set (keeper->file, entry);
  saved = fcr_state_file_save (keeper->file, error);
  made = saved && reserve (keeper, entry, error);
  if (made)
    return TRUE;
  fcr_entry_free (fcr_state_file_take (keeper->file, name));
  if (before != NULL)
    fcr_state_file_set (keeper->file, g_steal_pointer (&before));
  if (saved)
    save_or_warn (keeper);
  return FALSE;
}

gboolean
fcr_keeper_make (FcrKeeper *keeper, const gchar *name, GError **error)
{
  const FcrEntry *entry = fcr_state_file_lookup (keeper->file, name);

  if (entry == NULL)
    {
      g_set_error (error, FCR_ERROR, FCR_ERROR_NOT_FOUND,
                   "slot %s is reserved no longer", name);
      return FALSE;
    }
  return check_room (keeper, entry, error) && reserve (keeper, entry, error);
}

static gboolean
drop (FcrKeeper *keeper, const gchar *name, GError **error)
{
  fcr_entry_free (fcr_state_file_take (keeper->file, name));
  return fcr_state_file_save (keeper->file, error);
}

gboolean
fcr_keeper_remove (FcrKeeper *keeper, const gchar *name, gboolean force,
                   GError **error)
{
  FcrEntry *entry = fcr_state_file_lookup (keeper->file, name);
  gboolean marked = entry != NULL && (force || !has_writer (keeper, name));
  int r;

  if (marked)
    {
      entry->removing = TRUE;
      if (!fcr_state_file_save (keeper->file, error))
        {
          entry->removing = FALSE;
          return FALSE;
        }
    }
  r = fc_slot_remove (keeper->dir, name, force);
  if (marked && (r == 0 || r == -ENOENT))
    return drop (keeper, name, error);
  if (r == 0)
    return TRUE;
  fcr_set_error (error, r);
  if (marked)
    {
      entry->removing = FALSE;
      save_or_warn (keeper);
    }
  return FALSE;
}

void
fcr_keeper_recover (FcrKeeper *keeper)
{
  g_autoptr (GPtrArray) entries = fcr_state_file_entries (keeper->file);
  gboolean changed = FALSE;

  for (guint i = 0; i < entries->len; i++)
    {
      FcrEntry *entry = entries->pdata[i];
      int r;

      if (!entry->removing)
        continue;
      /* Nobody was told that it is gone. Where a writer has come meanwhile,
       * or is still there, it stays. */
      r = fc_slot_remove (keeper->dir, entry->name, 0);
      if (r == 0 || r == -ENOENT)
        fcr_entry_free (fcr_state_file_take (keeper->file, entry->name));
      else
        entry->removing = FALSE;
      changed = TRUE;
    }
  if (changed)
    save_or_warn (keeper);
}

/* The format of a slot that no writer has had yet: one that a writer gave is
 * that writer's business. */
static FcrEntry *
entry_of (FcrKeeper *keeper, const fc_slot_stat_t *stat)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  g_autofree gchar *format = NULL;
  gsize size = 0;

  options.frame_size = stat->frame_size;
  options.ring_depth = stat->ring_depth;
  options.max_consumers = stat->max_consumers;
  options.leases = stat->leases;
  options.writer_cells = stat->writer_cells;
  options.access = stat->access;
  options.trust = stat->trust;
  if (stat->state == FC_STATE_RESERVED && stat->format_size > 0)
    {
      format = g_malloc (stat->format_size);
      if (fc_slot_format (keeper->dir, stat->name, format, stat->format_size,
                          &size)
          == 0)
        {
          options.format = format;
          options.format_size = (guint32) size;
        }
    }
  return fcr_entry_new (stat->name, &options, stat->owner);
}

gboolean
fcr_keeper_adopt (FcrKeeper *keeper, const gchar *name, GError **error)
{
  const FcrEntry *entry = fcr_state_file_lookup (keeper->file, name);
  fc_slot_stat_t stat;

  if (stat_slot (keeper, name, &stat) < 0 || !stat.reserved
      || (entry != NULL && fcr_entry_is (entry, &stat)))
    return TRUE;
  fcr_state_file_set (keeper->file, entry_of (keeper, &stat));
  return fcr_state_file_save (keeper->file, error);
}

gboolean
fcr_keeper_forget (FcrKeeper *keeper, const gchar *name, GError **error)
{
  fc_slot_stat_t stat;

  if (stat_slot (keeper, name, &stat) == 0 && stat.reserved)
    return FALSE;
  return fcr_state_file_lookup (keeper->file, name) == NULL
         || drop (keeper, name, error);
}

/* Collecting --------------------------------------------------------------- */

/* FILE's beginnings that are slot names: a slot's files have its name in front,
 * some behind a dot. What the rest means is libfc's affair. */
static void
add_names (GHashTable *names, const gchar *file)
{
  const gchar *start = file + (file[0] == '.');

  for (const gchar *dot = strchr (start, '.'); dot != NULL;
       dot = strchr (dot + 1, '.'))
    {
      g_autofree gchar *name = g_strndup (start, (gsize) (dot - start));

      if (fcr_is_name (name))
        g_hash_table_add (names, g_steal_pointer (&name));
    }
}

static int
add_names_of_dir (const char *path, void *names)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const gchar *file;

  while (dir != NULL && (file = g_dir_read_name (dir)) != NULL)
    add_names (names, file);
  return 0;
}

static gint
by_text (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const gchar *const *) a, *(const gchar *const *) b);
}

GStrv
fcr_keeper_collect (FcrKeeper *keeper, GError **error)
{
  g_autoptr (GHashTable) names
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) collected = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer name;

  (void) fc_slot_dirs (keeper->dir, add_names_of_dir, names);
  g_hash_table_iter_init (&iter, names);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    {
      int r = fc_slot_gc (keeper->dir, name, 0);

      if (r < 0)
        {
          fcr_set_error (error, r);
          return NULL;
        }
      if (r > 0)
        g_ptr_array_add (collected, g_strdup (name));
    }
  g_ptr_array_sort (collected, by_text);
  g_ptr_array_add (collected, NULL);
  return (GStrv) g_ptr_array_free (g_steal_pointer (&collected), FALSE);
}
