/* The public writer, frame by frame.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "fc-writer.h"

/* Beyond this many waiting consumers the housekeeper wakes them. */
#define WAKES_IN_COMMIT 4
#define FRAME_FLAGS                                                            \
  (FC_FRAME_KEY | FC_FRAME_DELTA | FC_FRAME_HEADER | FC_FRAME_GAP              \
   | FC_FRAME_DISCONT)

static bool
has_hold (const fc_frame_t *frame)
{
  return frame->hold[0] != NULL;
}

static uint32_t
hold_cell (const fc_frame_t *frame)
{
  return (uint32_t) (uintptr_t) frame->hold[1];
}

static void
take_hold (fc_writer_t *writer, fc_frame_t *frame, fc_generation_t *gen,
           uint32_t cell)
{
  frame->hold[0] = gen;
  frame->hold[1] = (void *) (uintptr_t) cell;
  gen->refs++;
  writer->refs++;
  gen->out++;
  atomic_store_explicit (&gen->words->cells_out, gen->out,
                         memory_order_relaxed);
}

static void
end_hold (fc_writer_t *writer, fc_frame_t *frame)
{
  fc_generation_t *gen = frame->hold[0];

  gen->out--;
  atomic_store_explicit (&gen->words->cells_out, gen->out,
                         memory_order_relaxed);
  fc_generation_unref (gen);
  writer->refs--;
  frame->hold[0] = NULL;
}

static int
say_not_shown (const fc_writer_t *writer)
{
  return fc_fail (-EINVAL,
                  "slot %s is prepared only: fc_writer_renew () shows its ring",
                  writer->slot);
}

/* LIMIT: how many of GEN's may be out already. */
FC_HOT static int
acquire_locked (fc_writer_t *writer, fc_generation_t *gen, fc_frame_t *frame,
                uint32_t limit)
{
  int cell;

  if (writer->removed || writer->closed)
    return fc_say_removed (writer);
  if (gen == NULL)
    return say_not_shown (writer);
  if (writer->suspended && gen == writer->gen)
    return fc_fail (FC_REPLACED,
                    "slot %s has no ring: there was no memory for its new "
                    "generation",
                    writer->slot);
  if (gen->out >= limit)
    return fc_fail (-EAGAIN,
                    "%s: all %u writer cells are acquired or held; raise "
                    "writer_cells, or copy",
                    gen->path, gen->geo.writer_cells);
  cell = fc_cells_get (gen);
  if (fc_cells_low (gen))
    fc_housekeeper_ask (writer, FC_WORK_SPARE);
  if (cell < 0)
    return cell;
  take_hold (writer, frame, gen, (uint32_t) cell);
  frame->data = fc_cell_data (gen, (uint32_t) cell);
  frame->capacity = (size_t) gen->geo.frame_size;
  frame->generation = gen->generation;
  return 0;
}

FC_HOT static int
acquire (fc_writer_t *writer, fc_frame_t *frame, bool prepared)
{
  fc_generation_t *gen;
  uint32_t limit;
  int r = fc_check_struct ("fc_frame_t", frame->struct_size, sizeof *frame);

  if (r < 0)
    return r;
  frame->hold[0] = NULL;
  fc_mutex_lock (&writer->mutex);
  gen = prepared && writer->prepared != NULL ? writer->prepared : writer->gen;
  limit = gen != NULL ? gen->geo.writer_cells : 0;
  if (prepared && limit > 0)
    limit--; /* for who has to copy */
  r = acquire_locked (writer, gen, frame, limit);
  fc_mutex_unlock (&writer->mutex);
  return r;
}

FC_HOT int
fc_writer_acquire (fc_writer_t *writer, fc_frame_t *frame)
{
  return acquire (writer, frame, false);
}

int
fc_writer_acquire_prepared (fc_writer_t *writer, fc_frame_t *frame)
{
  return acquire (writer, frame, true);
}

static void
abandon_locked (fc_writer_t *writer, fc_frame_t *frame)
{
  fc_cells_put (frame->hold[0], hold_cell (frame));
  end_hold (writer, frame);
}

FC_HOT static void
unlock (fc_writer_t *writer)
{
  bool last = writer->refs == 0;

  fc_mutex_unlock (&writer->mutex);
  if (last)
    fc_writer_free (writer);
}

void
fc_writer_abandon (fc_writer_t *writer, fc_frame_t *frame)
{
  if (!has_hold (frame) || fc_is_copy (writer->mark))
    return;
  fc_mutex_lock (&writer->mutex);
  abandon_locked (writer, frame);
  unlock (writer);
}

void
fc_writer_unhold (fc_writer_t *writer, fc_frame_t *frame)
{
  fc_generation_t *gen = frame->hold[0];
  uint32_t cell = hold_cell (frame);

  if (!has_hold (frame) || fc_is_copy (writer->mark))
    return;
  fc_mutex_lock (&writer->mutex);
  /* The cell is in the map or on the retired list, and is found there. */
  gen->held[cell / 64] &= ~(UINT64_C (1) << (cell % 64));
  end_hold (writer, frame);
  unlock (writer);
}

static int
check_frame (const fc_generation_t *gen, const fc_frame_t *frame)
{
  const fc_info_t *info = &frame->info;
  int r = fc_check_struct ("fc_info_t", info->struct_size, sizeof *info);

  if (r < 0)
    return r;
  if ((info->flags & ~(uint32_t) FRAME_FLAGS) != 0)
    return fc_fail (-EINVAL, "frame flags 0x%x: only 0x%x are a writer's",
                    info->flags, FRAME_FLAGS);
  if ((info->flags & FC_FRAME_GAP) != 0 && frame->size > 0)
    return fc_fail (-EINVAL, "a gap has no bytes, this one has %zu",
                    frame->size);
  if (frame->size > gen->geo.frame_size)
    return fc_fail (-EMSGSIZE,
                    "the frame has %zu bytes, those of %s at most %llu; open "
                    "or renew the slot with a larger frame size",
                    frame->size, gen->path,
                    (unsigned long long) gen->geo.frame_size);
  if (info->meta_size > FC_META_MAX)
    return fc_fail (-EMSGSIZE,
                    "the frame's metadata has %u bytes; the limit is %u",
                    info->meta_size, FC_META_MAX);
  if (info->meta_size > 0 && info->meta == NULL)
    return fc_fail (-EINVAL, "meta_size is %u, but meta is NULL",
                    info->meta_size);
  return 0;
}

static void
wake_consumers (fc_writer_t *writer, fc_generation_t *gen)
{
  uint32_t work = 0;

  if (!fc_table_wake_waiting (&gen->table, WAKES_IN_COMMIT))
    work |= FC_WORK_WAKE;
  if (gen->observers)
    work |= FC_WORK_OBSERVE;
  if (work != 0)
    fc_housekeeper_ask (writer, work);
}

FC_HOT static void
publish_locked (fc_writer_t *writer, fc_frame_t *frame, uint32_t cell)
{
  fc_generation_t *gen = writer->gen;

  if (gen->finished)
    fc_generation_set_live (
        gen, atomic_load_explicit (&writer->latency_ns, memory_order_relaxed));
  fc_cells_publish (gen, cell, frame);
  writer->frames++;
  writer->bytes += frame->size;
  wake_consumers (writer, gen);
}

/* FRAME's cell is one of an older generation: what is in it goes to a cell of
 * the one that is live. */
static int
commit_copy_locked (fc_writer_t *writer, fc_frame_t *frame)
{
  fc_frame_t copy = *frame;
  uint32_t cell;
  int r = acquire_locked (writer, writer->gen, &copy, UINT32_MAX);

  if (r < 0)
    return r;
  if (frame->size > 0)
    memcpy (copy.data, frame->data, frame->size);
  cell = hold_cell (&copy);
  end_hold (writer, &copy);
  publish_locked (writer, &copy, cell);
  writer->copied++;
  frame->seq = copy.seq;
  return 1;
}

FC_HOT static int
commit_locked (fc_writer_t *writer, fc_frame_t *frame, bool hold)
{
  fc_generation_t *gen = frame->hold[0];
  uint32_t cell = hold_cell (frame);
  int r = 0;

  if (writer->removed || writer->closed)
    r = fc_say_removed (writer);
  else if (writer->gen == NULL)
    r = say_not_shown (writer);
  else
    r = check_frame (writer->gen, frame);
  if (r == 0 && gen != writer->gen)
    {
      r = commit_copy_locked (writer, frame);
      if (r > 0 && hold)
        {
          /* Out of use, but upstream still reads it: on the retired list it
           * waits for the end of the hold. */
          gen->held[cell / 64] |= UINT64_C (1) << (cell % 64);
          gen->retired[gen->n_retired++] = (uint16_t) cell;
          return r;
        }
    }
  else if (r == 0)
    {
      publish_locked (writer, frame, cell);
      if (hold)
        gen->held[cell / 64] |= UINT64_C (1) << (cell % 64);
      else
        end_hold (writer, frame);
      return 0;
    }
  abandon_locked (writer, frame);
  return r;
}

FC_HOT static int
commit (fc_writer_t *writer, fc_frame_t *frame, bool hold)
{
  int r = 0;

  if (!has_hold (frame))
    return fc_fail (-EINVAL, "the frame was not acquired, or was committed "
                             "already");
  fc_mutex_lock (&writer->mutex);
  if (writer->prepared == frame->hold[0] && !writer->removed)
    {
      /* The first frame of a ring that was prepared shows it. */
      fc_mutex_unlock (&writer->mutex);
      r = fc_writer_show_prepared (writer, frame->hold[0]);
      fc_mutex_lock (&writer->mutex);
    }
  if (r == 0)
    r = commit_locked (writer, frame, hold);
  else
    abandon_locked (writer, frame);
  unlock (writer);
  return r;
}

FC_HOT int
fc_writer_commit (fc_writer_t *writer, fc_frame_t *frame)
{
  return commit (writer, frame, false);
}

FC_HOT int
fc_writer_commit_hold (fc_writer_t *writer, fc_frame_t *frame)
{
  return commit (writer, frame, true);
}

int
fc_writer_write (fc_writer_t *writer, const void *data, size_t size,
                 const fc_info_t *info, uint64_t *seq)
{
  fc_frame_t frame = FC_FRAME_INIT;
  int r;

  if (data == NULL && size > 0)
    return fc_fail (-EINVAL, "%zu bytes to write, at NULL", size);
  /* A copy goes through whatever is out: its cell is out only meanwhile. */
  fc_mutex_lock (&writer->mutex);
  r = acquire_locked (writer, writer->gen, &frame, UINT32_MAX);
  fc_mutex_unlock (&writer->mutex);
  if (r < 0)
    return r;
  if (info != NULL)
    frame.info = *info;
  frame.size = size;
  if (size > 0 && size <= frame.capacity)
    memcpy (frame.data, data, size);
  r = fc_writer_commit (writer, &frame);
  if (r < 0)
    return r;
  fc_mutex_lock (&writer->mutex);
  writer->copied++;
  fc_mutex_unlock (&writer->mutex);
  if (seq != NULL)
    *seq = frame.seq;
  return 0;
}

int
fc_writer_finish (fc_writer_t *writer)
{
  int r = 0;

  fc_mutex_lock (&writer->mutex);
  if (writer->removed)
    r = fc_say_removed (writer);
  else if (writer->gen != NULL && !writer->gen->finished)
    {
      writer->gen->finished = true;
      fc_generation_set_state (writer->gen, FC_STATE_EOS);
    }
  fc_mutex_unlock (&writer->mutex);
  return r;
}

/* The ring that is shown, or else the one that is to be. */
static fc_generation_t *
current (const fc_writer_t *writer)
{
  return writer->gen != NULL ? writer->gen : writer->prepared;
}

int
fc_writer_set_sticky (fc_writer_t *writer, const void *data, size_t size)
{
  fc_generation_t *gen;

  if (size > FC_STICKY_MAX)
    return fc_fail (-EMSGSIZE,
                    "the sticky block has %zu bytes; the limit is %u", size,
                    FC_STICKY_MAX);
  fc_mutex_lock (&writer->mutex);
  gen = current (writer);
  if (gen != NULL)
    fc_generation_write_sticky (gen, data, size);
  fc_mutex_unlock (&writer->mutex);
  return 0;
}

void
fc_writer_set_latency (fc_writer_t *writer, uint64_t latency_ns)
{
  fc_mutex_lock (&writer->mutex);
  atomic_store_explicit (&writer->latency_ns, latency_ns, memory_order_relaxed);
  if (writer->gen != NULL)
    atomic_store_explicit (&writer->gen->words->latency_ns, latency_ns,
                           memory_order_relaxed);
  fc_mutex_unlock (&writer->mutex);
}

int
fc_writer_key_frame_requested (fc_writer_t *writer)
{
  unsigned requests = 0;

  fc_mutex_lock (&writer->mutex);
  if (writer->gen != NULL)
    requests = fc_table_take_requests (&writer->gen->table);
  fc_mutex_unlock (&writer->mutex);
  return requests > 0;
}

int
fc_writer_consumers (fc_writer_t *writer)
{
  fc_generation_t *gen;
  int consumers = 0;

  fc_mutex_lock (&writer->mutex);
  gen = current (writer);
  if (gen != NULL)
    consumers = (int) fc_table_count (&gen->table);
  fc_mutex_unlock (&writer->mutex);
  return consumers;
}

static void
add_stats (fc_generation_t *gen, fc_writer_stats_t *stats)
{
  fc_cells_collect (gen);
  stats->generation = gen->header->generation;
  stats->epoch = gen->epoch;
  stats->consumers = fc_table_count (&gen->table);
  stats->head = gen->head;
  stats->history_shortened += fc_generation_shortened (gen);
  stats->dropped += fc_generation_dropped (gen);
  stats->cells = gen->cells;
  stats->cells_out = gen->out;
  stats->cells_leased = gen->n_retired;
  stats->bytes_allocated
      = fc_cell_offset (&gen->geo, gen->cells) + gen->geo.table_size;
}

int
fc_writer_stats (fc_writer_t *writer, fc_writer_stats_t *stats)
{
  fc_generation_t *gen;
  int r = fc_check_struct ("fc_writer_stats_t", stats->struct_size,
                           sizeof *stats);

  if (r < 0)
    return r;
  memset (stats, 0, sizeof *stats);
  stats->struct_size = sizeof *stats;
  fc_mutex_lock (&writer->mutex);
  stats->frames = writer->frames;
  stats->bytes = writer->bytes;
  stats->copied = writer->copied;
  stats->history_shortened = writer->shortened;
  stats->dropped = writer->dropped;
  gen = current (writer);
  if (gen != NULL)
    add_stats (gen, stats);
  fc_mutex_unlock (&writer->mutex);
  return 0;
}
