/* The public writer: opening, acquiring and committing frames, ending.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fc-writer.h"

/* Opening ---------------------------------------------------------------- */

/* Whether the ring's writer has its locks. */
static bool
writer_lives (const fc_ring_file_t *ring, const fc_dir_t *dir, const char *slot)
{
  fc_table_t table;
  bool lives = fc_is_locked (ring->fd, 0, 1);

  if (!lives && fc_table_open (&table, ring, dir, slot, O_RDONLY) == 0)
    {
      lives = fc_is_locked (table.fd, FC_LOCK_WRITER (table.entries), 1);
      fc_table_close (&table);
    }
  return lives;
}

/* The writer that has the slot's lock; 0 where it has no number here, or where
 * another process has it: one that takes the ring over, or away, takes the
 * ring's locks too, and the number there is that of a dead one. */
static uint32_t
find_writer (const fc_dir_t *dir, const char *slot)
{
  fc_ring_file_t ring;
  fc_words_t words;
  uint32_t pid = 0;

  if (fc_ring_open (&ring, dir, slot, O_RDONLY) < 0)
    return 0;
  if (writer_lives (&ring, dir, slot)
      && fc_pread (ring.fd, &words, sizeof words, ring.geo.words_offset,
                   ring.path)
             == 0)
    pid = atomic_load_explicit (&words.pid, memory_order_relaxed);
  fc_ring_close (&ring);
  if (pid == 0 || pid > INT_MAX
      || (kill ((pid_t) pid, 0) < 0 && errno == ESRCH))
    return 0;
  return pid;
}

int
fc_say_busy (const fc_dir_t *dir, const char *slot, const char *remedy)
{
  uint32_t pid = find_writer (dir, slot);

  if (pid != 0)
    return fc_fail (-EBUSY,
                    "slot %s in %s already has a live writer: process %u; stop "
                    "it, or %s",
                    slot, dir->path, pid, remedy);
  return fc_fail (-EBUSY,
                  "slot %s in %s is locked by another process: one that makes, "
                  "removes or collects it, or a writer in another pid "
                  "namespace; try again, or %s (fuser %s/%s.lock tells who)",
                  slot, dir->path, remedy, dir->path, slot);
}

void
fc_writer_free (fc_writer_t *writer)
{
  if (writer->lock_fd >= 0)
    close (writer->lock_fd);
  fc_dir_close (&writer->dir);
  fc_generation_unref (writer->gen);
  while (writer->replaced != NULL)
    {
      fc_generation_t *gen = writer->replaced;

      writer->replaced = gen->next;
      fc_generation_unref (gen);
    }
  pthread_mutex_destroy (&writer->renewing);
  pthread_mutex_destroy (&writer->keeping);
  fc_mark_free (writer->mark);
  free (writer);
}

/* The shown ring goes with its writer, unless the slot is reserved. */
static void
unlink_own (const fc_writer_t *writer)
{
  if (!writer->gen->header->reserved)
    fc_generation_unlink (writer->gen, &writer->dir, writer->slot);
}

/* A ring that is somebody else's can be read and cut by that user, whatever its
 * mode says now; and a link or a fifo of that user's could not be replaced. */
static int
check_ring_owner (const fc_writer_t *writer)
{
  char name[FC_FILE_MAX];
  struct stat st;

  fc_ring_name (name, writer->slot);
  if (fstatat (writer->dir.fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return 0;
  return fc_check_own (&writer->dir, writer->slot, -1, &st);
}

int
fc_writer_open (fc_writer_t **result, const char *slot,
                const fc_writer_options_t *given)
{
  fc_writer_options_t options = { 0 };
  fc_writer_t *writer;
  int r = fc_check_name (slot);

  if (r == 0)
    r = fc_take_writer_options (&options, given);
  if (r < 0)
    return r;
  writer = calloc (1, sizeof *writer);
  if (writer == NULL)
    return fc_fail (-ENOMEM, "out of memory");
  pthread_mutex_init (&writer->renewing, NULL);
  pthread_mutex_init (&writer->keeping, NULL);
  strcpy (writer->slot, slot);
  writer->refs = 1;
  writer->lock_fd = -1;
  writer->mark = fc_mark_new ();
  writer->log.func = options.log;
  writer->log.data = options.log_data;
  atomic_init (&writer->latency_ns, options.latency_ns);

  r = fc_dir_for_writer (&writer->dir, options.dir, false);
  if (r < 0)
    goto fail;
  r = writer->lock_fd = fc_slot_lock_own (&writer->dir, slot, geteuid ());
  if (r == -EBUSY)
    r = fc_say_busy (&writer->dir, slot, "use another slot name");
  if (r >= 0)
    r = check_ring_owner (writer);
  if (r < 0)
    goto fail;
  (void) fc_sweep (&writer->dir, slot);
  r = fc_writer_begin (writer, &options);
  if (r < 0)
    goto fail;
  *result = writer;
  return 0;

fail:
  fc_housekeeper_stop (writer);
  fc_writer_drop_prepared (writer);
  if (writer->lock_fd >= 0)
    fc_slot_remove_lock (&writer->dir, slot);
  fc_writer_free (writer);
  return r;
}

int
fc_say_removed (const fc_writer_t *writer)
{
  return fc_fail (FC_REPLACED,
                  "slot %s was removed from %s while it was written; open it "
                  "again",
                  writer->slot, writer->dir.path);
}

/* Ending ------------------------------------------------------------------ */

static void
close_copy_of (fc_generation_t *gen)
{
  if (gen == NULL)
    return;
  fc_close_copy (&gen->table.fd);
  fc_close_copy (&gen->fd);
}

/* What keeps the parent's locks. The memory goes with the child, and its mutex
 * may have been some thread's when it was forked. */
static void
close_copies (fc_writer_t *writer)
{
  close_copy_of (writer->gen);
  close_copy_of (writer->prepared);
  close_copy_of (writer->inherited);
  for (fc_generation_t *gen = writer->replaced; gen != NULL; gen = gen->next)
    close_copy_of (gen);
  fc_close_copy (&writer->dir.fd);
  fc_close_copy (&writer->lock_fd);
}

void
fc_writer_close (fc_writer_t *writer)
{
  fc_generation_t *gen;
  bool last;

  if (writer == NULL)
    return;
  if (fc_is_copy (writer->mark))
    {
      close_copies (writer);
      return;
    }
  fc_housekeeper_stop (writer);
  fc_writer_drop_prepared (writer);
  gen = writer->gen;
  if (gen != NULL)
    {
      (void) fc_writer_finish (writer);
      unlink_own (writer);
    }
  fc_mutex_lock (&writer->mutex);
  writer->closed = true;
  if (gen != NULL)
    {
      /* Cells that are still out keep FC_LOCK_CELLS_OUT: the next writer then
       * makes a new generation. */
      fc_unlock_bytes (gen->table.fd, FC_LOCK_WRITER (gen->table.entries), 1);
      fc_unlock_bytes (gen->fd, 0, 1);
    }
  close (writer->lock_fd);
  writer->lock_fd = -1;
  last = --writer->refs == 0;
  fc_mutex_unlock (&writer->mutex);
  if (last)
    fc_writer_free (writer);
}
