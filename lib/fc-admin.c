/* Slots for tools: reserving, removing, collecting what crashes left, and
 * planning.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fc-writer.h"

/* Reserving and removing --------------------------------------------------- */

/* Whether there is a file of SLOT's ring, whatever is in it. */
static bool
has_ring (const fc_dir_t *dir, const char *slot)
{
  char name[FC_FILE_MAX];
  struct stat st;

  fc_ring_name (name, slot);
  return fstatat (dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int
say_exists (const fc_dir_t *dir, const char *slot)
{
  return fc_fail (-EEXIST,
                  "slot %s exists already in %s; remove it first, or use "
                  "another slot name",
                  slot, dir->path);
}

/* The ring, its table and its lock are OPTIONS' owner's from here on. */
static int
give_away (const fc_generation_t *gen, int lock,
           const fc_writer_options_t *options)
{
  if (fchown (gen->fd, options->owner, (gid_t) -1) == 0
      && fchown (gen->table.fd, options->owner, (gid_t) -1) == 0
      && fchown (lock, options->owner, (gid_t) -1) == 0)
    return 0;
  return fc_fail (-errno,
                  "can not give %s to user %u: %s; have root reserve it, or "
                  "that user",
                  gen->path, (unsigned) options->owner, strerror (errno));
}

static int
reserve_locked (const fc_dir_t *dir, const char *slot, int lock,
                const fc_writer_options_t *options)
{
  fc_ancestry_t from = { 0, 0, options->first_seq, 1, true };
  fc_generation_t *gen;
  fc_ring_file_t ring;
  int r = fc_ring_open (&ring, dir, slot, O_RDONLY);

  if (r == 0)
    {
      fc_ring_close (&ring);
      return say_exists (dir, slot);
    }
  if (r != -ENOENT)
    return r;
  (void) fc_sweep (dir, slot);
  r = fc_generation_create (&gen, dir, slot, options, &from);
  if (r < 0)
    return r;
  if (options->owner_set)
    r = give_away (gen, lock, options);
  if (r == 0)
    r = fc_generation_publish (gen, dir, slot);
  if (r < 0)
    {
      fc_generation_discard (gen, dir, slot);
      return r;
    }
  fc_generation_unref (gen);
  return 0;
}

int
fc_slot_reserve (const char *slot, const fc_writer_options_t *given)
{
  fc_writer_options_t options = { 0 };
  fc_dir_t dir = { 0 };
  int lock;
  int r = fc_check_name (slot);

  if (r == 0)
    r = fc_take_writer_options (&options, given);
  if (r == 0)
    r = fc_dir_for_writer (&dir, options.dir, false);
  if (r < 0)
    return r;
  lock = r = fc_slot_lock_own (&dir, slot,
                               options.owner_set ? options.owner : geteuid ());
  if (r == -EBUSY)
    r = has_ring (&dir, slot)
            ? say_exists (&dir, slot)
            : fc_say_busy (&dir, slot, "use another slot name");
  if (r >= 0)
    {
      r = reserve_locked (&dir, slot, lock, &options);
      fc_slot_remove_lock (&dir, slot);
      close (lock);
    }
  fc_dir_close (&dir);
  return r;
}

/* The caller has the slot's lock. Consumers are told; its memory goes with the
 * last one that still drains it. Of another user's ring nothing is mapped,
 * since that user may cut it: its consumers see before long that it has no name
 * any more. */
static void
end_ring (const fc_dir_t *dir, const char *slot)
{
  fc_ring_file_t ring;
  fc_generation_t *gen;

  if (fc_ring_open (&ring, dir, slot, O_RDWR) < 0)
    return;
  if (fc_is_own (ring.fd, ring.st.st_uid)
      && fc_generation_inherit (&gen, &ring, dir, slot) == 0)
    {
      fc_generation_set_state (gen, FC_STATE_REMOVED);
      fc_generation_unlink (gen, dir, slot);
      fc_generation_unref (gen);
    }
  fc_ring_close (&ring);
}

static int
unlink_ring (const fc_dir_t *dir, const char *slot)
{
  char name[FC_FILE_MAX];

  fc_ring_name (name, slot);
  if (unlinkat (dir->fd, name, 0) < 0 && errno != ENOENT)
    return fc_fail (-errno, "can not remove %s/%s: %s", dir->path, name,
                    strerror (errno));
  return 0;
}

/* Find the directory that has a file of SLOT's ring, whatever is in it. */
static int
find_ring (fc_dir_t *dir, const char *path, const char *slot)
{
  int r = fc_check_name (slot);

  if (r < 0)
    return r;
  for (unsigned n = 0; (r = fc_dir_candidate (dir, path, n)) != -ERANGE; n++)
    {
      if (r == 0 && dir->fd >= 0 && has_ring (dir, slot))
        return 0;
      if (fc_is_system_error (r))
        return r;
      fc_dir_close (dir);
    }
  return fc_fail (-ENOENT, "there is no slot %s in %s", slot,
                  path != NULL ? path : fc_dirs_text ());
}

int
fc_slot_remove (const char *path, const char *slot, int force)
{
  fc_dir_t dir;
  int lock;
  int r = find_ring (&dir, path, slot);

  if (r < 0)
    return r;
  lock = fc_slot_lock (&dir, slot, true);
  if (lock == -EBUSY && !force)
    r = fc_say_busy (&dir, slot, "force the removal");
  else if (lock < 0 && lock != -EBUSY)
    r = lock;
  else
    {
      uint64_t id;

      (void) fc_find_table (&dir, slot, &id);
      if (lock >= 0)
        end_ring (&dir, slot);
      r = unlink_ring (&dir, slot);
      if (r == 0 && lock >= 0)
        (void) fc_sweep (&dir, slot);
      else if (r == 0)
        fc_sweep_without_lock (&dir, slot, id);
    }
  if (lock >= 0)
    {
      fc_slot_remove_lock (&dir, slot);
      close (lock);
    }
  fc_dir_close (&dir);
  return r;
}

static bool
is_older (const fc_ring_file_t *ring, uint64_t age)
{
  uint64_t now = fc_now (CLOCK_MONOTONIC);
  uint64_t touched = fc_ring_touched (ring);

  /* A time to come is none that this machine gave it. */
  return touched > now || now - touched >= age;
}

/* Whether somebody took the slot away who died before its files were gone. Such
 * a ring is nobody's any more, be it reserved, or have consumers: they know. */
static bool
is_half_removed (const fc_ring_file_t *ring)
{
  fc_words_t words;

  return fc_pread (ring->fd, &words, sizeof words, ring->geo.words_offset,
                   ring->path)
             == 0
         && atomic_load_explicit (&words.state, memory_order_relaxed)
                == FC_STATE_REMOVED;
}

static bool
has_living (const fc_table_t *table)
{
  for (uint32_t i = fc_table_next (table, 0); i < table->entries;
       i = fc_table_next (table, i + 1))
    if (fc_is_locked (table->fd, i, 1))
      return true;
  return false;
}

/* Free the entries of the dead: that takes their bytes' locks alone. Another
 * user's table is read and never mapped. */
static int
collect_entries (const fc_dir_t *dir, const char *slot, uint64_t age,
                 bool *unused)
{
  fc_ring_file_t ring;
  fc_table_t table;
  int collected = 0;
  bool own;

  *unused = false;
  if (fc_ring_open (&ring, dir, slot, O_RDONLY) < 0)
    return 0;
  *unused = !ring.header.reserved && is_older (&ring, age);
  own = fc_is_own (ring.fd, ring.st.st_uid);
  if (fc_table_open (&table, &ring, dir, slot, own ? O_RDWR : O_RDONLY) == 0)
    {
      if (own)
        collected = (int) fc_table_reap (&table);
      *unused = *unused && !has_living (&table);
      fc_table_close (&table);
    }
  *unused = *unused || is_half_removed (&ring);
  fc_ring_close (&ring);
  return collected;
}

/* fc_sweep () of the files that were listed, not of a listing of its own. What
 * was made since then is left to the next time; nothing is being made now,
 * since the caller has the lock. */
static int
sweep_listed (const fc_dir_t *dir, const fc_found_t *files, size_t n)
{
  const char *slot = files->name;
  char name[FC_FILE_MAX];
  uint64_t named;
  bool known = fc_find_table (dir, slot, &named);
  int swept = 0;

  for (size_t i = 0; i < n; i++)
    {
      if (!files[i].left_over
          || (files[i].table && (!known || files[i].id == named)))
        continue;
      if (files[i].table)
        fc_table_name (name, slot, files[i].id);
      else
        fc_temp_name (name, slot, files[i].id);
      swept += unlinkat (dir->fd, name, 0) == 0;
    }
  return swept;
}

/* FILES are the N files of one slot in DIR. */
static int
collect (const fc_dir_t *dir, const fc_found_t *files, size_t n, uint64_t age)
{
  const char *slot = files->name;
  int lock = fc_slot_lock (dir, slot, false);
  int collected = 0;
  bool unused;

  if (lock >= 0)
    collected += sweep_listed (dir, files, n);
  collected += collect_entries (dir, slot, age, &unused);
  /* With the lock: its writer is dead, or was never there. */
  if (lock >= 0 && unused)
    {
      end_ring (dir, slot);
      if (unlink_ring (dir, slot) == 0)
        collected++;
      (void) sweep_listed (dir, files, n);
    }
  if (lock >= 0)
    {
      fc_slot_remove_lock (dir, slot);
      close (lock);
    }
  return collected;
}

int
fc_slot_gc (const char *path, const char *slot, uint64_t age)
{
  fc_names_t names = { NULL, 0 };
  int collected = 0;
  int r = slot != NULL ? fc_check_name (slot) : 0;

  if (r == 0)
    r = fc_names_collect (&names, path, true);
  for (size_t i = 0, n; r == 0 && i < names.n; i += n)
    {
      const fc_found_t *found = &names.item[i];
      fc_dir_t dir;

      for (n = 1; i + n < names.n && fc_by_name (found, found + n) == 0; n++)
        ;
      if ((slot != NULL && strcmp (slot, found->name) != 0)
          || fc_dir_candidate (&dir, path, found->dir) < 0)
        continue;
      if (dir.fd >= 0)
        collected += collect (&dir, found, n, age);
      fc_dir_close (&dir);
    }
  free (names.item);
  return r < 0 ? r : collected;
}

/* Planning ----------------------------------------------------------------- */

int
fc_plan (const fc_writer_options_t *given, fc_plan_t *plan)
{
  fc_writer_options_t options = { 0 };
  fc_geometry_t geo = { 0 };
  fc_dir_t dir = { 0 };
  int r = fc_check_struct ("fc_plan_t", plan->struct_size, sizeof *plan);

  if (r == 0)
    r = fc_take_writer_sizes (&options, given);
  if (r == 0)
    r = fc_geometry_of_options (&geo, &options);
  if (r == 0)
    r = fc_dir_to_be (&dir, options.dir);
  if (r < 0)
    return r;
  plan->cells_planned = geo.cells_planned;
  plan->cells_initial = geo.cells_initial;
  plan->bytes_initial = geo.ring_initial + geo.table_size;
  plan->bytes_planned = geo.ring_planned + geo.table_size;
  plan->bytes_free = fc_bytes_free (dir.fd);
  plan->fits = plan->bytes_planned <= plan->bytes_free;
  memcpy (plan->dir, dir.path, sizeof plan->dir);
  fc_dir_close (&dir);
  return 0;
}
