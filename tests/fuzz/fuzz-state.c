/* The registry's state file with anything in it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>
#include <unistd.h>

#include "fuzz.h"
#include "statefile.h"
#include "store.h"

static char dir[] = "/dev/shm/fc-fuzz-XXXXXX";
static gchar *path;

static void
empty_folder (void)
{
  const gchar *name;
  GDir *folder = g_dir_open (dir, 0, NULL);

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree gchar *file = g_build_filename (dir, name, NULL);

      unlink (file);
    }
  g_clear_pointer (&folder, g_dir_close);
}

static void
clean_up (void)
{
  empty_folder ();
  rmdir (dir);
  g_free (path);
}

/* That a file was damaged is told; that is what it was made for here. */
static void
be_silent (const gchar *domain, GLogLevelFlags level, const gchar *message,
           gpointer data)
{
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  if (mkdtemp (dir) == NULL)
    abort ();
  atexit (clean_up);
  path = g_build_filename (dir, "registry.json", NULL);
  g_log_set_handler ("fc-registry", G_LOG_LEVEL_WARNING, be_silent, NULL);
  return 0;
}

static void
check_entry (const FcrEntry *entry)
{
  fc_plan_t plan = { .struct_size = sizeof plan };

  if (!fcr_is_name (entry->name) || entry->frame_size == 0
      || entry->access < entry->trust || entry->trust > FC_SHARE_ALL)
    abort ();
  (void) fcr_entry_plan (entry, dir, &plan);
}

static void
check_same (const FcrEntry *a, const FcrEntry *b)
{
  if (g_strcmp0 (a->name, b->name) != 0 || a->removing != b->removing
      || a->frame_size != b->frame_size || a->ring_depth != b->ring_depth
      || a->max_consumers != b->max_consumers || a->leases != b->leases
      || a->writer_cells != b->writer_cells || a->observers != b->observers
      || a->access != b->access || a->trust != b->trust
      || a->owner_set != b->owner_set || a->owner != b->owner
      || (a->format == NULL) != (b->format == NULL)
      || (a->format != NULL && !g_bytes_equal (a->format, b->format)))
    abort ();
}

/* What was taken from a file, good or damaged, is taken from the one that is
 * written of it, and that one is not damaged. */
static void
check_again (FcrStateFile *file)
{
  g_autoptr (GPtrArray) entries = fcr_state_file_entries (file);
  g_autoptr (GPtrArray) copies
      = g_ptr_array_new_with_free_func ((GDestroyNotify) fcr_entry_free);
  g_autoptr (FcrStateFile) again = NULL;
  g_autoptr (GPtrArray) read = NULL;

  if (!fcr_state_file_save (file, NULL))
    abort ();
  for (guint i = 0; i < entries->len; i++)
    {
      check_entry (entries->pdata[i]);
      g_ptr_array_add (copies, fcr_entry_copy (entries->pdata[i]));
    }
  fcr_state_file_close (file);
  again = fcr_state_file_open (path, NULL);
  if (again == NULL)
    abort ();
  read = fcr_state_file_entries (again);
  if (read->len != copies->len)
    abort ();
  for (guint i = 0; i < read->len; i++)
    check_same (copies->pdata[i], read->pdata[i]);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  FcrStateFile *file;

  empty_folder ();
  if (!g_file_set_contents (path, (const gchar *) data, (gssize) size, NULL))
    abort ();
  file = fcr_state_file_open (path, &error);
  if (file != NULL)
    check_again (file);
  else if (error == NULL || !g_utf8_validate (error->message, -1, NULL))
    abort ();
  return 0;
}
