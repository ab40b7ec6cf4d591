/* framecache: fcctl doctor's checks for what crashes left
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Names and locks are those of docs/ring-format.md. Locks are asked after,
 * never taken: to take one, be it for a moment, would turn a writer away.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

#define ID_DIGITS 16
#define TABLE ".consumers"
#define TEMPORARY ".tmp."

/* Whether somebody holds the lock on byte START of FD. */
static gboolean
is_locked (int fd, off_t start)
{
  struct flock lock = {
    .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = 1
  };

  return fcntl (fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static int
open_in (const FcctlDoctorDir *dir, const gchar *file)
{
  g_autofree gchar *path = g_build_filename (dir->path, file, NULL);

  return open (path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

static gboolean
ends_with_id (const gchar *text, gsize length)
{
  return length >= ID_DIGITS
         && strspn (text + length - ID_DIGITS, "0123456789abcdef") >= ID_DIGITS;
}

/* The slot that FILE is the consumer table of, or NULL. */
static gchar *
table_of (const gchar *file)
{
  gsize length = strlen (file);

  if (file[0] != '.' || !g_str_has_suffix (file, TABLE))
    return NULL;
  length -= strlen (TABLE);
  if (length < ID_DIGITS + 3 || !ends_with_id (file, length)
      || file[length - ID_DIGITS - 1] != '.')
    return NULL;
  return g_strndup (file + 1, length - ID_DIGITS - 2);
}

/* The slot that FILE is a ring being made of, or NULL. */
static gchar *
half_made_of (const gchar *file)
{
  gsize length = strlen (file);
  gsize tail = strlen (TEMPORARY) + ID_DIGITS;

  if (file[0] != '.' || length < tail + 2 || !ends_with_id (file, length)
      || strncmp (file + length - tail, TEMPORARY, strlen (TEMPORARY)) != 0)
    return NULL;
  return g_strndup (file + 1, length - tail - 1);
}

/* Dead consumers ---------------------------------------------------------- */

/* The consumer table of SLOT: its name, or NULL where there is not one that is
 * certain to be its ring's. */
static gchar *
find_table (const FcctlDoctorSlot *slot)
{
  g_autoptr (GDir) stream = g_dir_open (slot->dir->path, 0, NULL);
  g_autofree gchar *found = NULL;
  const gchar *file;

  while (stream != NULL && (file = g_dir_read_name (stream)) != NULL)
    {
      g_autofree gchar *name = table_of (file);

      if (g_strcmp0 (name, slot->name) != 0)
        continue;
      if (found != NULL)
        return NULL;
      found = g_strdup (file);
    }
  return g_steal_pointer (&found);
}

typedef struct
{
  int table;
  guint dead;
} Dead;

static int
count_dead (const fc_consumer_stat_t *stat, void *user_data)
{
  Dead *dead = user_data;

  dead->dead += !is_locked (dead->table, stat->entry);
  return 0;
}

static void
look_for_dead (FcctlDoctor *doctor, const FcctlDoctorSlot *slot)
{
  g_autofree gchar *file = find_table (slot);
  g_autofree gchar *remedy = g_strdup_printf ("fcctl gc %s", slot->name);
  Dead dead = { -1, 0 };

  if (file == NULL)
    return;
  dead.table = open_in (slot->dir, file);
  if (dead.table < 0)
    return;
  fc_slot_consumers (slot->dir->path, slot->name, count_dead, &dead);
  close (dead.table);
  if (dead.dead > 0)
    fcctl_doctor_fault (doctor, slot->name, remedy,
                        "Slot %s still has %u consumer%s that died: there is "
                        "no live writer, who would clear them away.",
                        slot->name, dead.dead, dead.dead == 1 ? "" : "s");
}

void
fcctl_doctor_consumer_dead (FcctlDoctor *doctor)
{
  for (guint i = 0; i < doctor->slots->len; i++)
    {
      const FcctlDoctorSlot *slot = g_ptr_array_index (doctor->slots, i);

      if (slot->result == 0 && slot->stat.state != FC_STATE_LIVE
          && slot->stat.consumers > 0)
        look_for_dead (doctor, slot);
    }
}

/* Files ------------------------------------------------------------------- */

/* Whether somebody writes, makes or removes SLOT just now, or it can not be
 * told: then nothing is left over. */
static gboolean
is_at_work (const FcctlDoctorDir *dir, const gchar *slot)
{
  g_autofree gchar *file = g_strconcat (slot, ".lock", NULL);
  g_autofree gchar *path = g_build_filename (dir->path, file, NULL);
  int fd = open_in (dir, file);
  gboolean locked;

  if (fd < 0)
    return access (path, F_OK) == 0;
  locked = is_locked (fd, 0);
  close (fd);
  return locked;
}

static void
tell_leftover (FcctlDoctor *doctor, const FcctlDoctorDir *dir,
               const gchar *slot, const gchar *file, const gchar *what)
{
  g_autofree gchar *path = g_build_filename (dir->path, file, NULL);
  g_autofree gchar *remedy = g_strdup_printf ("fcctl gc %s", slot);

  fcctl_doctor_fault (doctor, path, remedy, "A crash left %s of slot %s.", what,
                      slot);
}

/* Tables of SLOTs: one each is a ring's, where there is a ring. */
static void
tell_tables (FcctlDoctor *doctor, const FcctlDoctorDir *dir, GHashTable *tables)
{
  GHashTableIter iter;
  gpointer slot, value;

  g_hash_table_iter_init (&iter, tables);
  while (g_hash_table_iter_next (&iter, &slot, &value))
    {
      GPtrArray *files = value;
      g_autofree gchar *file = g_strconcat (slot, ".ring", NULL);
      g_autofree gchar *ring = g_build_filename (dir->path, file, NULL);
      guint expected = access (ring, F_OK) == 0;

      if (files->len > expected && !is_at_work (dir, slot))
        tell_leftover (doctor, dir, slot, g_ptr_array_index (files, 0),
                       "a consumer table that no ring names");
    }
}

static void
look_for_leftovers (FcctlDoctor *doctor, const FcctlDoctorDir *dir)
{
  g_autoptr (GDir) stream = g_dir_open (dir->path, 0, NULL);
  g_autoptr (GHashTable) tables = g_hash_table_new_full (
      g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  const gchar *file;

  while (stream != NULL && (file = g_dir_read_name (stream)) != NULL)
    {
      g_autofree gchar *half_made = half_made_of (file);
      gchar *slot = table_of (file);
      GPtrArray *files;

      if (half_made != NULL && !is_at_work (dir, half_made))
        tell_leftover (doctor, dir, half_made, file, "a half-made ring");
      if (slot == NULL)
        continue;
      files = g_hash_table_lookup (tables, slot);
      if (files == NULL)
        files = g_ptr_array_new_with_free_func (g_free);
      else
        files = g_ptr_array_ref (files);
      g_ptr_array_add (files, g_strdup (file));
      g_hash_table_replace (tables, slot, files);
    }
  tell_tables (doctor, dir, tables);
}

void
fcctl_doctor_leftovers (FcctlDoctor *doctor)
{
  for (guint i = 0; i < doctor->dirs->len; i++)
    {
      const FcctlDoctorDir *dir = g_ptr_array_index (doctor->dirs, i);

      if (dir->exists && dir->safe)
        look_for_leftovers (doctor, dir);
    }
}
