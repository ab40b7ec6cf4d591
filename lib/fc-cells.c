/* The cells of a live ring, from the writer's side: which may be written, and
 * how a filled one is published. All of it runs under the writer's mutex, in
 * time bounded by the size of the table and of the ring.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "fc-writer.h"

#define SPARE_CELLS 2

static bool
has_bit (const uint64_t *bits, uint32_t i)
{
  return (bits[i / 64] >> (i % 64) & 1) != 0;
}

FC_HOT void
fc_cells_collect (fc_generation_t *gen)
{
  uint32_t kept = 0;

  if (gen->n_retired == 0)
    return;
  /* A retired cell left the map before this look at the leases. A consumer
   * that stores a lease on it from now on sees the map changed and lets go
   * without having read; so a cell not leased here is free until it is
   * published again. */
  memset (gen->marks, 0,
          (gen->geo.cells_planned + 63) / 64 * sizeof *gen->marks);
  fc_table_mark_leased (&gen->table, gen->marks, gen->cells);
  for (uint32_t i = 0; i < gen->n_retired; i++)
    {
      uint16_t cell = gen->retired[i];

      if (has_bit (gen->marks, cell) || has_bit (gen->held, cell))
        gen->retired[kept++] = cell;
      else
        gen->free[gen->n_free++] = cell;
    }
  gen->n_retired = kept;
}

FC_HOT bool
fc_cells_low (const fc_generation_t *gen)
{
  return gen->n_free < SPARE_CELLS && gen->cells < gen->geo.cells_planned
         && !gen->starved;
}

int
fc_cells_reserve (fc_generation_t *gen, uint32_t cell)
{
  return fc_reserve (gen->fd, fc_cell_offset (&gen->geo, cell),
                     gen->geo.cell_stride, gen->path);
}

void
fc_cells_add (fc_generation_t *gen)
{
  gen->free[gen->n_free++] = (uint16_t) gen->cells++;
  atomic_store_explicit (&gen->words->cells, gen->cells, memory_order_relaxed);
}

/* Take the frame out of place I of the history. */
FC_HOT static void
retire_place (fc_generation_t *gen, uint32_t i)
{
  if (gen->place[i] == FC_NO_CELL)
    return;
  gen->retired[gen->n_retired++] = gen->place[i];
  gen->place[i] = FC_NO_CELL;
}

/* Memory is out: give up the oldest frames, one after another, until one of
 * them is held by nobody. */
static void
shorten_history (fc_generation_t *gen)
{
  uint32_t depth = gen->geo.ring_depth;

  for (uint32_t back = depth; back > 0 && gen->n_free == 0; back--)
    {
      uint32_t i = (uint32_t) ((gen->head + depth - back) % depth);

      if (gen->place[i] == FC_NO_CELL)
        continue;
      /* shorten_history:A, pairs with fc_load_map:A, as
       * fc_cells_publish:C does. */
      atomic_store_explicit (&gen->map[i], FC_MAP_NONE, memory_order_seq_cst);
      retire_place (gen, i);
      atomic_fetch_add_explicit (&gen->words->shortened, 1,
                                 memory_order_relaxed);
      fc_cells_collect (gen);
    }
}

FC_HOT int
fc_cells_get (fc_generation_t *gen)
{
  uint32_t cell;

  if (gen->n_free <= SPARE_CELLS)
    fc_cells_collect (gen);
  /* The housekeeper was not scheduled in time: rather than lose a frame of
   * the history, this one pays for its cell. */
  if (gen->n_free == 0 && fc_cells_low (gen)
      && fc_cells_reserve (gen, gen->cells) == 0)
    fc_cells_add (gen);
  if (gen->n_free == 0)
    shorten_history (gen);
  if (gen->n_free == 0)
    {
      atomic_fetch_add_explicit (&gen->words->dropped, 1, memory_order_relaxed);
      return fc_fail (-EAGAIN,
                      "%s: no cell is free: memory is out and consumers "
                      "lease the whole history; the frame is dropped",
                      gen->path);
    }
  cell = gen->free[--gen->n_free];
  /* fc_cells_get:A, and fc_cells_get:B, pair with second_look:A: an
   * observer that copies bytes stored after this fence finds seq changed
   * when it looks again. A store with release alone would let the bytes go
   * ahead of it. */
  atomic_store_explicit (&gen->headers[cell].seq, FC_SEQ_NONE,
                         memory_order_relaxed);
  fc_fence (memory_order_release);
  return (int) cell;
}

void
fc_cells_put (fc_generation_t *gen, uint32_t cell)
{
  gen->free[gen->n_free++] = (uint16_t) cell;
}

FC_HOT static void
fill_header (fc_generation_t *gen, fc_cell_header_t *h, fc_frame_t *frame)
{
  const fc_info_t *info = &frame->info;

  frame->seq = gen->head;
  frame->epoch = gen->epoch;
  frame->sticky = gen->sticky;
  frame->generation = gen->generation;
  if ((info->flags & FC_FRAME_KEY) != 0)
    {
      gen->key_seq = gen->head;
      gen->keys++;
    }
  frame->key_seq = gen->key_seq;
  frame->keys = gen->keys;
  frame->info.commit_ns = fc_now (CLOCK_MONOTONIC);
  frame->info.wall_ns = fc_now (CLOCK_REALTIME);
  if (info->capture_ns == FC_TIME_NONE)
    frame->info.capture_ns = info->commit_ns;

  h->size = frame->size;
  h->flags = info->flags;
  h->epoch = frame->epoch;
  h->sticky = frame->sticky;
  h->meta_size = info->meta_size;
  h->key_seq = frame->key_seq;
  h->user_flags = info->user_flags;
  h->pts = info->pts;
  h->dts = info->dts;
  h->duration = info->duration;
  h->running_time = info->running_time;
  h->offset = info->offset;
  h->offset_end = info->offset_end;
  h->capture_ns = fc_time_of_machine (info->capture_ns, gen->clock);
  h->commit_ns = fc_time_of_machine (info->commit_ns, gen->clock);
  h->wall_ns = info->wall_ns;
  h->keys = frame->keys;
}

FC_HOT void
fc_cells_publish (fc_generation_t *gen, uint32_t cell, fc_frame_t *frame)
{
  fc_cell_header_t *h = &gen->headers[cell];
  uint32_t i = (uint32_t) (gen->head % gen->geo.ring_depth);

  if (frame->info.meta_size > 0)
    memcpy (fc_cell_data (gen, cell) + gen->geo.meta_offset, frame->info.meta,
            frame->info.meta_size);
  fill_header (gen, h, frame);
  /* fc_cells_publish:A, pairs with first_look:A: the frame's bytes are
   * there before its number is. */
  atomic_store_explicit (&h->seq, frame->seq, memory_order_release);
  /* fc_cells_publish:B, pairs with fc_load_map:A and load_lease:A: retires
   * the place's old cell; leases are looked at only after it. */
  atomic_store_explicit (&gen->map[i], FC_MAP_WORD (frame->seq, cell),
                         memory_order_seq_cst);
  gen->head++;
  /* fc_cells_publish:C, pairs with fc_load_head:A (the place is stored
   * before the frame counts) and with wait_as_consumer:B (waiting is looked
   * at only after it). */
  atomic_store_explicit (&gen->words->head, gen->head, memory_order_seq_cst);
  /* fc_cells_publish:D, pairs with read_steady:A: an observer that read
   * the old value and the old head is woken, or does not fall asleep. */
  atomic_fetch_add_explicit (&gen->words->wake, 1, memory_order_seq_cst);
  retire_place (gen, i);
  gen->place[i] = (uint16_t) cell;
  atomic_store_explicit (
      &gen->words->bytes,
      atomic_load_explicit (&gen->words->bytes, memory_order_relaxed)
          + frame->size,
      memory_order_relaxed);
}
