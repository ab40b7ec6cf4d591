/* The public writer: opening, acquiring and committing frames, ending.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fc-writer.h"

/* How long a replaced ring's consumers may drain it. */
#define DRAIN_NS (5 * FC_NS_PER_S)

/* Opening ---------------------------------------------------------------- */

static int
say_busy (const fc_dir_t *dir, const char *slot)
{
  fc_ring_file_t ring;
  fc_words_t words;
  uint32_t pid = 0;

  if (fc_ring_open (&ring, dir, slot, O_RDONLY) == 0)
    {
      if (fc_pread (ring.fd, &words, sizeof words, ring.geo.words_offset,
                    ring.path)
          == 0)
        pid = atomic_load_explicit (&words.pid, memory_order_relaxed);
      fc_ring_close (&ring);
    }
  return fc_fail (-EBUSY,
                  "slot %s in %s already has a live writer: process %u; stop "
                  "it, or use another slot name",
                  slot, dir->path, pid);
}

/* The geometry of a reserved slot is the one that its writer uses. */
static int
fit_reserved (const fc_ring_header_t *h, const char *path,
              fc_writer_options_t *options)
{
  if (options->frame_size > h->frame_size)
    return fc_fail (-EMSGSIZE,
                    "%s is reserved for frames of %llu bytes; these have "
                    "%llu: reserve it anew, or use another slot",
                    path, (unsigned long long) h->frame_size,
                    (unsigned long long) options->frame_size);
  options->frame_size = h->frame_size;
  options->ring_depth = h->ring_depth;
  options->max_consumers = h->max_consumers;
  options->leases = h->leases;
  options->writer_cells = h->writer_cells;
  options->access = (fc_share_t) h->access;
  options->trust = (fc_share_t) h->trust;
  options->observers = h->observers;
  return 0;
}

/* OLD can not stay beside what replaces it: its frames and its memory go. */
static void
give_up (fc_writer_t *writer, fc_generation_t *old)
{
  fc_log (&writer->log, FC_LOG_WARNING,
          "%s: no room for a new generation beside the old one, whose frames "
          "are given up",
          old->path);
  pthread_mutex_lock (&writer->mutex);
  writer->suspended = true;
  pthread_mutex_unlock (&writer->mutex);
  fc_housekeeper_replace (writer, old, 0);
}

/* Under the mutex: nothing is committed between the old ring's last frame and
 * the new one's first. */
static int
switch_generation (fc_writer_t *writer, fc_generation_t *made,
                   fc_generation_t *old)
{
  int r;

  pthread_mutex_lock (&writer->mutex);
  if (old != NULL)
    fc_generation_begin_at (made, old->head);
  if (old != NULL && old == writer->gen)
    fc_generation_copy_sticky (made, old);
  fc_generation_set_live (
      made, atomic_load_explicit (&writer->latency_ns, memory_order_relaxed));
  r = fc_generation_publish (made, &writer->dir, writer->slot);
  if (r == 0)
    {
      if (writer->gen != NULL)
        {
          writer->shortened += fc_generation_shortened (writer->gen);
          writer->dropped += fc_generation_dropped (writer->gen);
          fc_generation_unref (writer->gen);
        }
      writer->gen = made;
      writer->suspended = false;
    }
  pthread_mutex_unlock (&writer->mutex);
  return r;
}

/* Make a generation that replaces OLD, which may be NULL, and switch to it.
 * The caller has a reference of its own to OLD. */
static int
make_generation (fc_writer_t *writer, const fc_writer_options_t *options,
                 const fc_ancestry_t *from, fc_generation_t *old)
{
  fc_generation_t *made;
  char name[FC_FILE_MAX];
  int r;

  r = fc_generation_create (&made, &writer->dir, writer->slot, options, from);
  if (r == -ENOSPC && old != NULL && !writer->suspended)
    {
      give_up (writer, old);
      r = fc_generation_create (&made, &writer->dir, writer->slot, options,
                                from);
    }
  if (r < 0)
    return r;
  r = fc_generation_lock (made);
  if (r == 0)
    r = switch_generation (writer, made, old);
  if (r < 0)
    {
      fc_generation_discard (made, &writer->dir, writer->slot);
      return r;
    }
  fc_log (&writer->log, FC_LOG_INFO,
          "%s: generation %u begins at frame %llu, %llu bytes", made->path,
          made->header->generation,
          (unsigned long long) made->header->first_seq,
          (unsigned long long) (made->geo.ring_initial + made->geo.table_size));
  if (old == NULL)
    return 0;
  fc_table_name (name, writer->slot, old->header->id);
  unlinkat (writer->dir.fd, name, 0);
  fc_housekeeper_replace (writer, old, DRAIN_NS);
  return 0;
}

static int
take_over (fc_writer_t *writer, const fc_ring_file_t *ring,
           fc_writer_options_t *options)
{
  fc_ancestry_t from = { ring->header.lineage, 0, ring->header.generation + 1,
                         ring->header.reserved != 0 };
  fc_generation_t *old;
  int r;

  if (ring->header.reserved)
    {
      r = fit_reserved (&ring->header, ring->path, options);
      if (r < 0)
        return r;
    }
  if (fc_generation_adopt (&writer->gen, ring, &writer->dir, writer->slot,
                           options))
    {
      fc_generation_set_live (writer->gen, options->latency_ns);
      fc_log (&writer->log, FC_LOG_INFO, "%s: carries on at frame %llu",
              ring->path, (unsigned long long) writer->gen->head);
      return 0;
    }
  r = fc_generation_inherit (&old, ring, &writer->dir, writer->slot);
  if (r < 0)
    {
      /* Without its table, or damaged: a new count begins. */
      from.lineage = 0;
      from.first_seq = options->first_seq;
      return make_generation (writer, options, &from, NULL);
    }
  r = make_generation (writer, options, &from, old);
  fc_generation_unref (old);
  return r;
}

static int
open_ring (fc_writer_t *writer, fc_writer_options_t *options)
{
  fc_ancestry_t from = { 0, options->first_seq, 1, false };
  fc_ring_file_t ring;
  int r;

  r = fc_ring_open (&ring, &writer->dir, writer->slot, O_RDWR);
  if (r == 0)
    {
      r = take_over (writer, &ring, options);
      fc_ring_close (&ring);
      return r;
    }
  if (r != -ENOENT && r != -EPROTO)
    return r;
  if (r == -EPROTO)
    fc_log (&writer->log, FC_LOG_WARNING, "replaces what was there: %s",
            fc_error_detail ());
  return make_generation (writer, options, &from, NULL);
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
  sem_destroy (&writer->work_sem);
  pthread_mutex_destroy (&writer->renewing);
  pthread_mutex_destroy (&writer->keeping);
  pthread_mutex_destroy (&writer->mutex);
  free (writer);
}

int
fc_writer_open (fc_writer_t **result, const char *slot,
                const fc_writer_options_t *given)
{
  fc_writer_options_t options;
  fc_geometry_t geo;
  fc_writer_t *writer;
  int r = fc_check_name (slot);

  if (r == 0)
    r = fc_take_writer_options (&options, given);
  if (r == 0)
    r = fc_geometry_of_options (&geo, &options);
  if (r < 0)
    return r;
  writer = calloc (1, sizeof *writer);
  if (writer == NULL)
    return fc_fail (-ENOMEM, "out of memory");
  pthread_mutex_init (&writer->mutex, NULL);
  pthread_mutex_init (&writer->renewing, NULL);
  pthread_mutex_init (&writer->keeping, NULL);
  sem_init (&writer->work_sem, 0, 0);
  strcpy (writer->slot, slot);
  writer->refs = 1;
  writer->lock_fd = -1;
  writer->log.func = options.log;
  writer->log.data = options.log_data;
  atomic_init (&writer->latency_ns, options.latency_ns);

  r = fc_dir_for_writer (&writer->dir, options.dir, false);
  if (r < 0)
    goto fail;
  r = writer->lock_fd = fc_slot_lock (&writer->dir, slot);
  if (r == -EBUSY)
    r = say_busy (&writer->dir, slot);
  if (r < 0)
    goto fail;
  (void) fc_sweep (&writer->dir, slot);
  r = open_ring (writer, &options);
  if (r < 0)
    goto fail;
  r = fc_housekeeper_start (writer);
  if (r < 0)
    {
      fc_generation_set_state (writer->gen, FC_STATE_EOS);
      fc_generation_unlink (writer->gen, &writer->dir, slot);
      goto fail;
    }
  *result = writer;
  return 0;

fail:
  fc_writer_free (writer);
  return r;
}

static bool
same_ring (const fc_generation_t *gen, const fc_writer_options_t *options)
{
  const fc_ring_header_t *h = gen->header;

  return gen->geo.frame_size == options->frame_size
         && gen->geo.ring_depth == options->ring_depth
         && gen->geo.max_consumers == options->max_consumers
         && gen->geo.leases == options->leases
         && gen->geo.writer_cells == options->writer_cells
         && h->access == (uint32_t) options->access
         && h->trust == (uint32_t) options->trust
         && h->observers
                == (options->observers || options->access != options->trust)
         && h->format_size == options->format_size
         && memcmp (gen->base + gen->geo.format_offset, options->format,
                    options->format_size)
                == 0;
}

int
fc_say_removed (const fc_writer_t *writer)
{
  return fc_fail (FC_REPLACED,
                  "slot %s was removed from %s while it was written; open it "
                  "again",
                  writer->slot, writer->dir.path);
}

static int
renew (fc_writer_t *writer, fc_generation_t *old, fc_writer_options_t *options)
{
  fc_ancestry_t from = { old->header->lineage, 0, old->header->generation + 1,
                         old->header->reserved != 0 };
  fc_geometry_t geo;
  bool removed;
  int r = 0;

  if (from.reserved)
    r = fit_reserved (old->header, old->path, options);
  if (r == 0)
    r = fc_geometry_of_options (&geo, options);
  if (r < 0)
    return r;
  pthread_mutex_lock (&writer->mutex);
  removed = writer->removed;
  pthread_mutex_unlock (&writer->mutex);
  if (removed)
    return fc_say_removed (writer);
  if (!writer->suspended && same_ring (old, options))
    return 0;
  atomic_store_explicit (&writer->latency_ns, options->latency_ns,
                         memory_order_relaxed);
  r = make_generation (writer, options, &from, old);
  return r < 0 ? r : 1;
}

int
fc_writer_renew (fc_writer_t *writer, const fc_writer_options_t *given)
{
  fc_writer_options_t options;
  fc_generation_t *old;
  int r = fc_take_writer_options (&options, given);

  if (r < 0)
    return r;
  pthread_mutex_lock (&writer->renewing);
  pthread_mutex_lock (&writer->mutex);
  old = writer->gen;
  old->refs++;
  pthread_mutex_unlock (&writer->mutex);
  r = renew (writer, old, &options);
  pthread_mutex_lock (&writer->mutex);
  fc_generation_unref (old);
  pthread_mutex_unlock (&writer->mutex);
  pthread_mutex_unlock (&writer->renewing);
  return r;
}

/* Ending ------------------------------------------------------------------ */

void
fc_writer_close (fc_writer_t *writer)
{
  fc_generation_t *gen;
  bool last;

  if (writer == NULL)
    return;
  fc_housekeeper_stop (writer);
  (void) fc_writer_finish (writer);
  gen = writer->gen;
  if (!gen->header->reserved)
    fc_generation_unlink (gen, &writer->dir, writer->slot);
  pthread_mutex_lock (&writer->mutex);
  writer->closed = true;
  /* Cells that are still out keep FC_LOCK_CELLS_OUT: the next writer then
   * makes a new generation. */
  fc_unlock_bytes (gen->table.fd, FC_LOCK_WRITER (gen->table.entries), 1);
  fc_unlock_bytes (gen->fd, 0, 1);
  close (writer->lock_fd);
  writer->lock_fd = -1;
  last = --writer->refs == 0;
  pthread_mutex_unlock (&writer->mutex);
  if (last)
    fc_writer_free (writer);
}
