/* From one generation to the next: a ring is made or taken over unseen, then
 * shown.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fc-writer.h"

/* How long a replaced ring's consumers may drain it. */
#define DRAIN_NS (5 * FC_NS_PER_S)

/* Unseen ----------------------------------------------------------------- */

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
         && gen->format_size == options->format_size
         && memcmp (gen->base + gen->geo.format_offset, options->format,
                    options->format_size)
                == 0;
}

/* OLD can not stay beside what replaces it: its frames and its memory go. */
static void
give_up (fc_writer_t *writer, fc_generation_t *old)
{
  fc_log (&writer->log, FC_LOG_WARNING,
          "%s: no room for a new generation beside the old one, whose frames "
          "are given up",
          old->path);
  fc_mutex_lock (&writer->mutex);
  writer->suspended = true;
  fc_mutex_unlock (&writer->mutex);
  fc_housekeeper_replace (writer, old, 0);
}

/* Make what OPTIONS ask for. OLD, which may be NULL, is what it will replace;
 * only for a ring that is shown at once may it be given up before. */
static int
make (fc_writer_t *writer, const fc_writer_options_t *options,
      const fc_ancestry_t *from, fc_generation_t *old)
{
  fc_generation_t *made;
  int r;

  r = fc_generation_create (&made, &writer->dir, writer->slot, options, from);
  if (r == -ENOSPC && old != NULL && !options->prepare && !writer->suspended)
    {
      give_up (writer, old);
      r = fc_generation_create (&made, &writer->dir, writer->slot, options,
                                from);
    }
  if (r < 0)
    return r;
  fc_mutex_lock (&writer->mutex);
  writer->prepared = made;
  fc_mutex_unlock (&writer->mutex);
  return 0;
}

static int
take_over (fc_writer_t *writer, const fc_ring_file_t *ring,
           fc_writer_options_t *options)
{
  fc_ancestry_t from
      = { ring->header.lineage, ring->header.lineage_first, 0,
          ring->header.generation + 1, ring->header.reserved != 0 };
  fc_generation_t *found;
  fc_geometry_t geo;
  int r = 0;

  if (ring->header.reserved)
    r = fit_reserved (&ring->header, ring->path, options);
  if (r == 0)
    r = fc_geometry_of_options (&geo, options);
  if (r < 0)
    return r;
  r = fc_generation_adopt (&found, ring, &writer->dir, writer->slot, options);
  if (r < 0)
    return r;
  if (r == 1)
    {
      fc_mutex_lock (&writer->mutex);
      writer->prepared = found;
      fc_mutex_unlock (&writer->mutex);
      return 0;
    }
  r = fc_generation_inherit (&writer->inherited, ring, &writer->dir,
                             writer->slot);
  if (fc_is_system_error (r))
    return r;
  if (r < 0)
    {
      /* Without its table, or damaged: a new count begins. */
      writer->inherited = NULL;
      from.lineage = 0;
      from.first_seq = options->first_seq;
    }
  return make (writer, options, &from, writer->inherited);
}

/* For a writer that has shown no ring yet: prepare to carry on in the one that
 * the last writer left, or one to go into its place. */
static int
prepare_first (fc_writer_t *writer, fc_writer_options_t *options)
{
  fc_ancestry_t from = { 0, 0, options->first_seq, 1, false };
  fc_ring_file_t ring;
  fc_geometry_t geo;
  int r;

  r = fc_ring_open (&ring, &writer->dir, writer->slot, O_RDWR);
  if (r == 0)
    {
      /* Looked at by name before; what was opened is what counts. */
      r = fc_check_own (&writer->dir, writer->slot, ring.fd, &ring.st);
      if (r == 0)
        r = take_over (writer, &ring, options);
      fc_ring_close (&ring);
      return r;
    }
  if (r != -ENOENT && r != -EPROTO)
    return r;
  if (r == -EPROTO)
    fc_log (&writer->log, FC_LOG_WARNING, "replaces what was there: %s",
            fc_error_detail ());
  r = fc_geometry_of_options (&geo, options);
  return r < 0 ? r : make (writer, options, &from, NULL);
}

/* For one that has: 1, or 0 where the ring is what OPTIONS ask for. */
static int
prepare_next (fc_writer_t *writer, fc_generation_t *old,
              fc_writer_options_t *options)
{
  fc_ancestry_t from
      = { old->header->lineage, old->header->lineage_first, 0,
          old->header->generation + 1, old->header->reserved != 0 };
  fc_geometry_t geo;
  bool removed;
  int r = fc_geometry_of_options (&geo, options);

  if (r < 0)
    return r;
  fc_mutex_lock (&writer->mutex);
  removed = writer->removed;
  fc_mutex_unlock (&writer->mutex);
  if (removed)
    return fc_say_removed (writer);
  if (!writer->suspended && same_ring (old, options))
    return 0;
  r = make (writer, options, &from, old);
  return r < 0 ? r : 1;
}

void
fc_writer_drop_prepared (fc_writer_t *writer)
{
  fc_generation_t *gen, *inherited;

  fc_mutex_lock (&writer->mutex);
  gen = writer->prepared;
  inherited = writer->inherited;
  writer->prepared = writer->inherited = NULL;
  if (gen != NULL && gen->adopted)
    {
      /* It stays as its last writer left it. */
      fc_unlock_bytes (gen->table.fd, FC_LOCK_WRITER (gen->table.entries), 1);
      fc_unlock_bytes (gen->fd, 0, 1);
      fc_generation_unref (gen);
    }
  else if (gen != NULL)
    {
      fc_generation_discard (gen, &writer->dir, writer->slot);
    }
  fc_generation_unref (inherited);
  fc_mutex_unlock (&writer->mutex);
}

/* The caller has `renewing`. */
static int
prepare (fc_writer_t *writer, fc_writer_options_t *options)
{
  fc_generation_t *gen = writer->gen;
  const fc_generation_t *had = gen != NULL ? gen : writer->prepared;

  if (had != NULL && had->header->reserved)
    {
      int r = fit_reserved (had->header, had->path, options);

      if (r < 0)
        return r;
    }
  if (writer->prepared != NULL && same_ring (writer->prepared, options))
    return 1;
  fc_writer_drop_prepared (writer);
  if (gen == NULL)
    {
      int r = prepare_first (writer, options);

      return r < 0 ? r : 1;
    }
  return prepare_next (writer, gen, options);
}

/* Shown ------------------------------------------------------------------ */

/* Under the mutex: nothing is committed between the old ring's last frame and
 * the new one's first. */
static int
switch_locked (fc_writer_t *writer, fc_generation_t *made, fc_generation_t *old,
               const fc_writer_options_t *options)
{
  uint64_t latency
      = atomic_load_explicit (&writer->latency_ns, memory_order_relaxed);
  int r = 0;

  if (old != NULL)
    fc_generation_go_on_from (made, old);
  if (old != NULL && old == writer->gen)
    fc_generation_copy_sticky (made, old);
  if (options != NULL && options->sticky != NULL)
    fc_generation_write_sticky (made, options->sticky, options->sticky_size);
  if (made->adopted)
    fc_generation_show_format (made);
  fc_generation_set_live (made, latency);
  if (!made->adopted)
    r = fc_generation_publish (made, &writer->dir, writer->slot);
  if (r < 0)
    return r;
  if (writer->gen != NULL)
    {
      writer->shortened += fc_generation_shortened (writer->gen);
      writer->dropped += fc_generation_dropped (writer->gen);
      fc_generation_unref (writer->gen);
    }
  writer->gen = made;
  writer->prepared = NULL;
  writer->suspended = false;
  return 0;
}

static void
retire (fc_writer_t *writer, fc_generation_t *old)
{
  char name[FC_FILE_MAX];

  fc_table_name (name, writer->slot, old->header->id);
  unlinkat (writer->dir.fd, name, 0);
  fc_housekeeper_replace (writer, old, DRAIN_NS);
  fc_mutex_lock (&writer->mutex);
  fc_generation_unref (old);
  fc_mutex_unlock (&writer->mutex);
}

/* Show what is prepared, with what OPTIONS say, unless they are NULL. The
 * caller has `renewing`. */
static int
show (fc_writer_t *writer, const fc_writer_options_t *options)
{
  fc_generation_t *made = writer->prepared, *old;
  unsigned long long head = 0;
  int r;

  fc_mutex_lock (&writer->mutex);
  old = writer->gen != NULL ? writer->gen : writer->inherited;
  if (old != NULL)
    old->refs++;
  r = writer->removed ? fc_say_removed (writer)
                      : switch_locked (writer, made, old, options);
  if (r == 0)
    {
      fc_generation_unref (writer->inherited);
      writer->inherited = NULL;
      head = made->head;
    }
  else if (old != NULL)
    {
      fc_generation_unref (old);
    }
  fc_mutex_unlock (&writer->mutex);
  if (r < 0)
    {
      fc_writer_drop_prepared (writer);
      return r;
    }
  fc_log (&writer->log, FC_LOG_INFO,
          "%s: generation %u %s at frame %llu, %llu bytes", made->path,
          made->header->generation, made->adopted ? "carries on" : "begins",
          head,
          (unsigned long long) made->geo.ring_initial + made->geo.table_size);
  if (old != NULL)
    retire (writer, old);
  else if (!made->adopted)
    /* It may have taken the place of a damaged one, whose table nothing names
     * any more. */
    (void) fc_sweep (&writer->dir, writer->slot);
  return 0;
}

int
fc_writer_show_prepared (fc_writer_t *writer, const fc_generation_t *gen)
{
  int r = 0;

  pthread_mutex_lock (&writer->renewing);
  if (writer->prepared == gen)
    r = show (writer, NULL);
  pthread_mutex_unlock (&writer->renewing);
  return r;
}

int
fc_writer_begin (fc_writer_t *writer, fc_writer_options_t *options)
{
  int r = prepare_first (writer, options);

  /* Before anything is shown: what can fail has not touched the slot. */
  if (r == 0)
    r = fc_housekeeper_start (writer);
  return r == 0 && !options->prepare ? show (writer, options) : r;
}

static int
renew (fc_writer_t *writer, const fc_writer_options_t *given, bool prepare_only)
{
  fc_writer_options_t options;
  int r = fc_take_writer_options (&options, given);

  if (r < 0)
    return r;
  options.prepare = prepare_only;
  pthread_mutex_lock (&writer->renewing);
  r = prepare (writer, &options);
  if (r == 1 && !prepare_only)
    {
      atomic_store_explicit (&writer->latency_ns, options.latency_ns,
                             memory_order_relaxed);
      r = show (writer, &options);
      r = r < 0 ? r : 1;
    }
  pthread_mutex_unlock (&writer->renewing);
  return r;
}

int
fc_writer_prepare (fc_writer_t *writer, const fc_writer_options_t *options)
{
  return renew (writer, options, true);
}

int
fc_writer_renew (fc_writer_t *writer, const fc_writer_options_t *options)
{
  return renew (writer, options, false);
}
